using System.Collections.Immutable;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Broker.Messages;

namespace Riser.Host.Broker;

/// <summary>
/// Which devices are given to whom. Pure: an input and the time go in, the next state and what to do come out.
/// <code>
///            ──wish──▶ Opening ──opened──▶ Held ◀─renewal─┐
///                        │ refused          │  └──────────┘
///                        ▼                  │ holder left, lease ended, wanted back
///                      (none)               ├─ uio ──▶ Revoking ──────────────────▶ (none)
///                        ▲                  └─ vfio ─▶ Asked ──left──▶ Closing ─free─▶ (none)
///                        └── nobody has it ── Overdue ◀──report── │ ◀───── still open ─┘
///                                                                 └─ kill ─▶ Closing
/// </code>
/// </summary>
/// <param name="Grants">By node.</param>
/// <param name="InBinding">Nodes whose functions are on their way from one driver to another: nobody gets them meanwhile.</param>
internal sealed record BrokerState(ImmutableSortedDictionary<string, Grant> Grants, ImmutableHashSet<string> InBinding)
{
    private static readonly TimeSpan s_soon = TimeSpan.FromMilliseconds(100); // a process that ends closes its files within that, mostly
    private static readonly TimeSpan s_later = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_punctual = TimeSpan.FromSeconds(1); // whoever comes later than that has himself been held up

    private static readonly PolicyRule s_noRule = new("(none)", new HashSet<uint>(), new HashSet<uint>(), [], Act.None, TimeSpan.Zero, TimeSpan.Zero, Stubborn.Report);

    /// <summary>No connection has this number.</summary>
    public const long Nobody = 0;

    public static readonly BrokerState Empty = new(ImmutableSortedDictionary.Create<string, Grant>(StringComparer.Ordinal), ImmutableHashSet.Create<string>(StringComparer.Ordinal));

    /// <summary>When the next <see cref="Input.Tick"/> is wanted; null: none.</summary>
    public TimeSpan? Due => Grants.Values.Min(g => g.Phase.Due);

    /// <summary>How long a timer is to wait for that; null: for ever.</summary>
    public TimeSpan? Wait(TimeSpan now) => Due is { } due ? TimeSpan.FromTicks(Math.Clamp((due - now).Ticks, 0, TimeSpan.TicksPerDay)) : null;

    public Step On(Input input, TimeSpan now) => input switch
    {
        Input.Wish wish => Wished(wish),
        Input.Opened opened => Opened(opened, now),
        Input.NotOpened not => NotOpened(not),
        Input.Renewal renewal => Renewed(renewal.Peer, now),
        Input.Left left => Left(left.Peer, now),
        Input.TakeBack back => TakenBack(back, now),
        Input.Looked looked => Looked(looked, now),
        Input.Revoked revoked => Revoked(revoked, now),
        Input.Listing listing => new(this, [new Effect.Answer(listing.Peer, new Reply { Grants = List(listing, now) })]),
        Input.Bind bind => Bind(bind),
        Input.Bound bound => new(this with { InBinding = InBinding.Except(bound.Plan.Nodes) }, [new Effect.Answer(bound.Peer, bound.Reply)]),
        Input.Tick => Ticked(now),
        _ => throw new ArgumentOutOfRangeException(nameof(input), input.GetType().Name, "is no input"),
    };

    /// <summary>What a connection holds; null when it holds nothing.</summary>
    public Grant? Of(long peer) => Grants.Values.FirstOrDefault(g => g.Peer == peer && g.Phase is not (Phase.Closing or Phase.Revoking { Cause: Cause.HolderLeft }));

    private Step Wished(Input.Wish wish)
    {
        if (Of(wish.Peer) is { } own)
            return Answer(wish.Peer, Replies.Refused(Errno.EINVAL, $"This connection holds {own.Target} already", "Use one connection for each device."));
        if (InBinding.Contains(wish.Target.Node))
            return Answer(wish.Peer, InBindingNow(wish.Target.ToString()));
        if (!Grants.TryGetValue(wish.Target.Node, out var grant))
            return Put(new(wish.Target, wish.Peer, wish.Who, wish.Rule, new Phase.Opening(), [], []), new Effect.Open(wish));
        return grant.Phase.IsOnItsWayBack
            ? Put(grant with { Next = grant.Next.Add(wish) })
            : Answer(wish.Peer, IsHeld(wish.Target, grant));
    }

    private Step Opened(Input.Opened opened, TimeSpan now)
    {
        if (!IsOpening(opened.Node, opened.Peer, out var grant))
            return new(this, [new Effect.Discard(opened.Descriptors)]);
        var held = grant with { Phase = new Phase.Held(now + grant.Rule.Lease) };
        return opened.Descriptors.Count == 0
            ? Put(held, new Effect.Answer(opened.Peer, Replies.Renewed(grant.Rule)), new Effect.Log(Event.Resumed, held))
            : Put(held, new Effect.Pass(opened.Peer, opened.Descriptors, Replies.Granted(grant.Rule)), new Effect.Log(Event.Given, held));
    }

    private Step NotOpened(Input.NotOpened not) => IsOpening(not.Node, not.Peer, out var grant)
        ? Remove(grant, Replies.Refused(Errno.ENOENT, $"{grant.Target} is held by nobody", "There is nothing to take back."), new Effect.Answer(not.Peer, new Reply { Refused = not.Why }))
        : new(this, []);

    private Step Renewed(long peer, TimeSpan now) => Of(peer) switch
    {
        { Phase: Phase.Held } grant => Put(grant with { Phase = new Phase.Held(now + grant.Rule.Lease) }, new Effect.Answer(peer, Replies.Renewed(grant.Rule))),
        { } grant => Answer(peer, Replies.Refused(Errno.ENODEV, $"{grant.Target} is wanted back", "Close it.")),
        null => Answer(peer, Replies.Refused(Errno.ENODEV, "This connection holds no device", "Ask for one first.")),
    };

    private Step Left(long peer, TimeSpan now)
    {
        var step = new Step(this, []);
        foreach (var grant in Grants.Values.Where(g => g.Waiting.Contains(peer) || g.Next.Exists(w => w.Peer == peer)))
            step = step.Next.Put(grant with { Waiting = grant.Waiting.RemoveAll(w => w == peer), Next = grant.Next.RemoveAll(w => w.Peer == peer) });
        return step.Next.Of(peer) switch
        {
            { Phase: Phase.Opening } grant => step.Next.Remove(grant, Replies.Refused(Errno.ENOENT, $"{grant.Target} is held by nobody", "There is nothing to take back.")),
            { Phase: Phase.Held } grant => step.Next.Begin(grant, Cause.HolderLeft, now),
            { Phase: Phase.Overdue overdue } grant => step.Next.TryAgain(grant, overdue),
            { Phase: Phase.Asked asked } grant => step.Next.LookAt(grant, new Phase.Closing(now + grant.Rule.TakeBackWithin, NextLook: null, asked.Cause, Killed: false)),
            _ => step,
        };
    }

    private Step TakenBack(Input.TakeBack back, TimeSpan now)
    {
        bool isHeld = Grants.TryGetValue(back.Target.Node, out var grant);
        if (back.MayNot is { } refused && grant?.Who.User != back.Who.User)
            return Answer(back.Peer, new Reply { Refused = refused });
        if (InBinding.Contains(back.Target.Node))
            return Answer(back.Peer, InBindingNow(back.Target.ToString()));
        if (!isHeld) // perhaps one whom a broker before this one gave it to has it
        {
            var unknown = new Grant(back.Target, Nobody, back.Who, s_noRule, new Phase.Revoking(Cause.Requested), [back.Peer], []);
            return back.Target.IsRevocable ? Put(unknown, new Effect.Revoke(back.Target)) : LookAt(unknown, new Phase.Closing(now, NextLook: null, Cause.Requested, Killed: false));
        }
        if (grant is null or { Phase: Phase.Opening })
            return Answer(back.Peer, Replies.Refused(Errno.ENOENT, $"{back.Target} was given to nobody by this broker", "There is nothing to take back."));
        var waiting = grant with { Waiting = grant.Waiting.Add(back.Peer) };
        return grant.Phase is Phase.Held or Phase.Overdue ? Begin(waiting, Cause.Requested, now) : Put(waiting);
    }

    private Step Looked(Input.Looked looked, TimeSpan now)
    {
        if (!Grants.TryGetValue(looked.Node, out var grant))
            return new(this, []);
        return grant.Phase switch
        {
            Phase.Closing when grant.Peer == Nobody => Remove(grant, looked.Free
                ? Replies.Refused(Errno.ENOENT, $"{grant.Target} was given to nobody by this broker", "There is nothing to take back.")
                : Replies.Refused(Errno.EBUSY, $"{grant.Target} is open{looked.Holders}, but was not given by this broker: by one before it, or by nobody", "End that program; a broker asks and kills those alone whom it gave the device to.")),
            Phase.Closing or Phase.Overdue when looked.Free => IsBack(grant),
            Phase.Closing closing when now < closing.Deadline => Put(grant with { Phase = closing with { NextLook = now + s_soon } }),
            Phase.Closing { Killed: false } closing => Insist(grant, closing.Cause, now),
            Phase.Closing closing => GiveUp(grant, closing.Cause, now),
            Phase.Overdue overdue => Put(grant with { Phase = overdue with { NextLook = now + s_later } }),
            _ => new(this, []),
        };
    }

    private Step Revoked(Input.Revoked revoked, TimeSpan now)
    {
        if (!Grants.TryGetValue(revoked.Node, out var grant) || grant.Phase is not Phase.Revoking revoking)
            return new(this, []);
        if (revoked.Problem is null)
            return IsBack(grant, new Effect.Tell(grant.Peer, Replies.TakenBack(grant.Target, Text(revoking.Cause))));
        var refusal = Replies.Refused(Errno.EIO, $"The kernel did not take {grant.Target} back: {revoked.Problem}", "Its log may say more.");
        if (grant.Peer == Nobody)
            return Remove(grant, refusal, new Effect.Log(Event.NotRevoked, grant, revoking.Cause, revoked.Problem));
        Effect[] first = revoking.Again ? [] : [new Effect.Log(Event.NotRevoked, grant, revoking.Cause, revoked.Problem)]; // said once
        return Put(grant with { Phase = new Phase.Overdue(now + s_later, revoking.Cause), Waiting = [], Next = [] }, [.. Refuse(grant, refusal), .. first]);
    }

    // A driver that is changed waits for whoever has the device, and whoever gets it meanwhile would get it with half a group.
    private Step Bind(Input.Bind bind)
    {
        foreach (string node in bind.Plan.Nodes)
        {
            if (Grants.TryGetValue(node, out var grant))
                return Answer(bind.Peer, IsHeld(grant.Target, grant));
            if (InBinding.Contains(node))
                return Answer(bind.Peer, InBindingNow(node));
        }
        return new(this with { InBinding = InBinding.Union(bind.Plan.Nodes) }, [new Effect.Bind(bind.Peer, bind.Plan)]);
    }

    // While the broker was held up (stopped, starved, a frozen machine) nobody could be heard: what holders have said meanwhile lies behind this, and they get the time back to say it.
    private Step Ticked(TimeSpan now)
    {
        if (now - Due is { } late && late > s_punctual)
            return (this with { Grants = Grants.SetItems(Grants.Select(g => KeyValuePair.Create(g.Key, g.Value with { Phase = g.Value.Phase.Later(late + s_punctual) }))) }).TickedInTime(now);
        return TickedInTime(now);
    }

    private Step TickedInTime(TimeSpan now)
    {
        var step = new Step(this, []);
        foreach (var grant in Grants.Values.Where(g => g.Phase.Due <= now))
        {
            var next = grant.Phase switch
            {
                Phase.Held => step.Next.Begin(grant, Cause.LeaseEnded, now),
                Phase.Asked asked => step.Next.Insist(grant, asked.Cause, now),
                Phase.Closing closing => step.Next.LookAt(grant, closing with { NextLook = null }),
                Phase.Overdue overdue => step.Next.TryAgain(grant, overdue),
                _ => step.Next.Put(grant),
            };
            step = new(next.Next, [.. step.Effects, .. next.Effects]);
        }
        return step;
    }

    // The kernel takes a uio device at once; its holder hears of it before that, so that he knows who did it. A vfio one only its holder can close: he is asked, or, if he has left, looked after.
    private Step Begin(Grant grant, Cause cause, TimeSpan now)
    {
        if (grant.Target.IsRevocable)
            return Put(grant with { Phase = new Phase.Revoking(cause) }, new Effect.Tell(grant.Peer, Replies.Wanted(Text(cause), TimeSpan.Zero)), new Effect.Revoke(grant.Target));
        if (cause == Cause.HolderLeft)
            return LookAt(grant, new Phase.Closing(now + grant.Rule.TakeBackWithin, NextLook: null, cause, Killed: false));
        return Put(
            grant with { Phase = new Phase.Asked(now + grant.Rule.TakeBackWithin, cause) },
            new Effect.Tell(grant.Peer, Replies.Wanted(Text(cause), grant.Rule.TakeBackWithin)),
            new Effect.Log(Event.AskedBack, grant, cause));
    }

    private Step TryAgain(Grant grant, Phase.Overdue overdue) => grant.Target.IsRevocable
        ? Put(grant with { Phase = new Phase.Revoking(overdue.Cause, Again: true) }, new Effect.Revoke(grant.Target))
        : LookAt(grant, overdue with { NextLook = null });

    private Step LookAt(Grant grant, Phase phase) => Put(grant with { Phase = phase }, new Effect.Look(grant.Target, Names: grant.Peer == Nobody));

    private Step Insist(Grant grant, Cause cause, TimeSpan now) => grant.Rule.Then == Stubborn.Kill
        ? Put(
            grant with { Phase = new Phase.Closing(now + grant.Rule.TakeBackWithin, now + s_soon, cause, Killed: true) },
            new Effect.Kill(grant.Target, grant.Peer, grant.Who))
        : GiveUp(grant, cause, now);

    private Step GiveUp(Grant grant, Cause cause, TimeSpan now)
    {
        var refusal = Replies.Refused(Errno.EBUSY, $"{grant.Target} is still open, and its holder, {grant.Who}, does not close it", "End that program; with take-back.then = kill the broker does.");
        return Put(
            grant with { Phase = new Phase.Overdue(now + s_later, cause), Waiting = [], Next = [] },
            [.. Refuse(grant, refusal), new Effect.Log(Event.StillHeld, grant, cause)]);
    }

    private Step IsBack(Grant grant, params ReadOnlySpan<Effect> first)
    {
        var cause = grant.Phase switch
        {
            Phase.Closing closing => closing.Cause,
            Phase.Overdue overdue => overdue.Cause,
            Phase.Revoking revoking => revoking.Cause,
            _ => throw new InvalidOperationException(grant.Phase.ToString()),
        };
        string how = grant.Phase is Phase.Closing { Killed: true } ? $"{Text(cause)}; its holder was killed" : Text(cause);
        return Remove(grant, Replies.TakenBack(grant.Target, how), [.. first, new Effect.Log(Event.BackAgain, grant, cause, how)]);
    }

    // Those who wait hear of it; the first who wishes for it is next.
    private Step Remove(Grant grant, Reply toWaiting, params ReadOnlySpan<Effect> first)
    {
        var step = new Step(this with { Grants = Grants.Remove(grant.Target.Node) }, [.. first, .. grant.Waiting.Select(w => new Effect.Answer(w, toWaiting))]);
        foreach (var wish in grant.Next)
        {
            var next = step.Next.Wished(wish);
            step = new(next.Next, [.. step.Effects, .. next.Effects]);
        }
        return step;
    }

    private static IEnumerable<Effect> Refuse(Grant grant, Reply refusal) =>
        [.. grant.Waiting.Select(w => new Effect.Answer(w, refusal)), .. grant.Next.Select(w => new Effect.Answer(w.Peer, refusal))];

    // As many as fit into a message; the rest is asked for with the last one's node.
    private Grants List(Input.Listing listing, TimeSpan now)
    {
        var list = new Grants();
        int size = 0;
        string last = string.Empty;
        foreach (var (node, grant) in Grants.Where(g => string.CompareOrdinal(g.Key, listing.After) > 0 && (listing.All || g.Value.Who.User == listing.Who.User)))
        {
            var one = Replies.Grant(grant, now);
            size += one.CalculateSize();
            if (list.All.Count > 0 && size > Frame.LongestMessage / 2) // which leaves room for what frames each
            {
                list.Next = last;
                break;
            }
            list.All.Add(one);
            last = node;
        }
        return list;
    }

    private static Reply IsHeld(Target target, Grant grant) =>
        Replies.Refused(Errno.EBUSY, $"{target} is held by {grant.Who}", $"End that program, or take the device back: riser broker take-back {grant.Target}.");

    private static Reply InBindingNow(string what) => Replies.Refused(Errno.EBUSY, $"{what} is being bound to another driver", "Ask again when that is done.");

    private bool IsOpening(string node, long peer, out Grant grant) =>
        Grants.TryGetValue(node, out grant!) && grant.Phase is Phase.Opening && grant.Peer == peer;

    private Step Put(Grant grant, params ReadOnlySpan<Effect> effects) => new(this with { Grants = Grants.SetItem(grant.Target.Node, grant) }, [.. effects]);

    private Step Answer(long peer, Reply reply) => new(this, [new Effect.Answer(peer, reply)]);

    private static string Text(Cause cause) => cause switch
    {
        Cause.HolderLeft => "its holder has left",
        Cause.LeaseEnded => "its lease has ended",
        Cause.Requested => "it was asked back",
        _ => throw new ArgumentOutOfRangeException(nameof(cause)),
    };

    internal readonly record struct Step(BrokerState Next, IReadOnlyList<Effect> Effects);
}
