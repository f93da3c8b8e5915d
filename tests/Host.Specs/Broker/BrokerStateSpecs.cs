using FsCheck.Xunit;
using Mono.Unix.Native;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Broker.Messages;
using Riser.Actors.Interop;
using Riser.Host.Broker;
using static Riser.Host.Specs.Broker.BrokerExample;
using Grant = Riser.Host.Broker.Grant;

namespace Riser.Host.Specs.Broker;

/// <summary>What the broker decides, without sockets, devices or time.</summary>
public sealed class BrokerStateSpecs
{
    private static readonly Target s_vfio = Vfio(Function("0000:01:00.0"));
    private static readonly Target s_uio = Uio("0000:02:00.0");

    private BrokerState _state = BrokerState.Empty;
    private TimeSpan _now;

    [Fact]
    public void A_wish_is_opened_passed_and_logged()
    {
        var open = Assert.IsType<Effect.Open>(Assert.Single(On(Wish(1))));
        Assert.Equal(s_vfio, open.Wish.Target);
        using var descriptor = Descriptor();

        var effects = On(new Input.Opened(s_vfio.Node, 1, [descriptor]));

        Assert.Equal(30_000u, Assert.IsType<Effect.Pass>(effects[0]).Reply.Granted.LeaseMilliseconds);
        Assert.Equal(Event.Given, Assert.IsType<Effect.Log>(effects[1]).Event);
        Assert.Equal(TimeSpan.FromSeconds(30), _state.Due);
    }

    [Fact]
    public void A_second_wish_is_refused_while_the_first_holds()
    {
        Hold(1);

        var refused = Refusal(On(Wish(2, Bob)));

        Assert.Equal((int)Errno.EBUSY, refused.Errno);
        Assert.Contains("user 1000 (process 101)", refused.Why, StringComparison.Ordinal);
        Assert.Contains("take-back vfio:0000:01:00.0", refused.Fix, StringComparison.Ordinal);
    }

    [Fact]
    public void A_connection_holds_one_device()
    {
        Hold(1);

        Assert.Equal((int)Errno.EINVAL, Refusal(On(new Input.Wish(1, Alice, s_uio, Rule(), Container: false, Resumes: false))).Errno);
    }

    [Fact]
    public void What_could_not_be_opened_is_free_again()
    {
        On(Wish(1));

        Assert.Equal("no", Refusal(On(new Input.NotOpened(s_vfio.Node, 1, Replies.Refusal(Errno.EIO, "no", "fix")))).Why);

        Assert.Empty(_state.Grants);
    }

    [Fact]
    public void What_is_opened_for_one_who_has_left_is_closed()
    {
        On(Wish(1));
        On(new Input.Left(1));
        using var descriptor = Descriptor();

        Assert.IsType<Effect.Discard>(Assert.Single(On(new Input.Opened(s_vfio.Node, 1, [descriptor]))));
    }

    [Fact]
    public void A_renewal_moves_the_end_of_the_lease()
    {
        Hold(1);
        _now = TimeSpan.FromSeconds(20);

        Assert.Equal(30_000u, Assert.IsType<Effect.Answer>(Assert.Single(On(new Input.Renewal(1)))).Reply.Renewed.LeaseMilliseconds);

        Assert.Equal(TimeSpan.FromSeconds(50), _state.Due);
    }

    [Fact]
    public void A_lease_that_ends_asks_a_vfio_holder_and_revokes_a_uio_one()
    {
        Hold(1);
        Hold(2, s_uio);
        _now = TimeSpan.FromSeconds(30);

        var effects = On(new Input.Tick());

        Assert.Equal([(1, 5000u), (2, 0u)], effects.OfType<Effect.Tell>().Select(t => (t.Peer, t.Reply.Wanted.WithinMilliseconds)).Order());
        int told = effects.ToList().FindIndex(e => e is Effect.Tell { Peer: 2 });
        Assert.Equal(s_uio, Assert.IsType<Effect.Revoke>(effects[told + 1]).Target); // who loses it has been told
    }

    [Fact]
    public void A_holder_who_closes_in_time_gives_back()
    {
        Hold(1);
        On(TakeBack(9));
        Assert.IsType<Effect.Look>(Assert.Single(On(new Input.Left(1))));

        var effects = On(new Input.Looked(s_vfio.Node, Free: true));

        Assert.Equal("it was asked back", Assert.Single(effects.OfType<Effect.Answer>(), a => a.Peer == 9).Reply.TakenBack.How);
        Assert.Empty(_state.Grants);
    }

    [Fact]
    public void A_holder_who_does_not_close_is_killed_where_the_rule_says_so()
    {
        Hold(1, rule: Rule(then: Stubborn.Kill));
        On(TakeBack(9));
        _now = TimeSpan.FromSeconds(5);

        var kill = Assert.IsType<Effect.Kill>(Assert.Single(On(new Input.Tick())));
        Assert.Equal((1, Alice), (kill.Peer, kill.Who));

        On(new Input.Left(1));
        _now += TimeSpan.FromMilliseconds(100);
        Assert.IsType<Effect.Look>(Assert.Single(On(new Input.Tick())));
        var effects = On(new Input.Looked(s_vfio.Node, Free: true));
        Assert.Contains("killed", Assert.Single(effects.OfType<Effect.Answer>()).Reply.TakenBack.How, StringComparison.Ordinal);
    }

    [Fact]
    public void A_holder_who_does_not_close_is_reported_where_the_rule_says_so()
    {
        Hold(1);
        On(TakeBack(9));
        _now = TimeSpan.FromSeconds(5);

        var effects = On(new Input.Tick());

        Assert.Equal((int)Errno.EBUSY, Refusal(effects).Errno);
        Assert.Equal(Event.StillHeld, Assert.Single(effects.OfType<Effect.Log>()).Event);
        Assert.Empty(effects.OfType<Effect.Kill>());
        Assert.IsType<Phase.Overdue>(_state.Grants[s_vfio.Node].Phase);
    }

    [Fact]
    public void What_a_holder_who_has_left_keeps_open_is_looked_at_until_it_is_closed()
    {
        Hold(1);
        Assert.IsType<Effect.Look>(Assert.Single(On(new Input.Left(1))));
        Assert.Empty(On(new Input.Looked(s_vfio.Node, Free: false)));
        _now = TimeSpan.FromSeconds(6);
        Assert.IsType<Effect.Look>(Assert.Single(On(new Input.Tick())));

        Assert.Equal(Event.StillHeld, Assert.Single(On(new Input.Looked(s_vfio.Node, Free: false)).OfType<Effect.Log>()).Event);

        _now += TimeSpan.FromSeconds(5);
        Assert.IsType<Effect.Look>(Assert.Single(On(new Input.Tick())));
        Assert.Equal(Event.BackAgain, Assert.Single(On(new Input.Looked(s_vfio.Node, Free: true)).OfType<Effect.Log>()).Event);
    }

    [Fact]
    public void A_wish_waits_for_a_device_that_is_on_its_way_back()
    {
        Hold(1);
        On(new Input.Left(1));

        Assert.Empty(On(Wish(2, Bob)));

        Assert.Equal(2, Assert.Single(On(new Input.Looked(s_vfio.Node, Free: true)).OfType<Effect.Open>()).Wish.Peer);
    }

    [Fact]
    public void Only_those_who_may_take_a_device_from_another_and_everybody_his_own()
    {
        Hold(1);
        var no = Replies.Refusal(Errno.EACCES, "no", "fix");

        Assert.Equal((int)Errno.EACCES, Refusal(On(new Input.TakeBack(2, Bob, s_vfio, no))).Errno);
        Assert.NotEmpty(On(new Input.TakeBack(3, Alice, s_vfio, no)).OfType<Effect.Tell>());
    }

    [Fact]
    public void A_uio_device_is_taken_even_from_one_whom_this_broker_does_not_know()
    {
        Assert.IsType<Effect.Revoke>(Assert.Single(On(new Input.TakeBack(9, Root, s_uio, MayNot: null))));

        var effects = On(new Input.Revoked(s_uio.Node, Problem: null));

        Assert.Equal("it was asked back", Assert.Single(effects.OfType<Effect.Answer>()).Reply.TakenBack.How);
    }

    [Fact]
    public void A_vfio_device_that_this_broker_does_not_know_of_is_reported_when_it_is_open()
    {
        Assert.True(Assert.IsType<Effect.Look>(Assert.Single(On(TakeBack(9)))).Names);
        var busy = Refusal(On(new Input.Looked(s_vfio.Node, Free: false, " in process 77")));
        Assert.Equal((int)Errno.EBUSY, busy.Errno);
        Assert.Contains("is open in process 77, but was not given by this broker", busy.Why, StringComparison.Ordinal);

        On(TakeBack(9));
        Assert.Equal((int)Errno.ENOENT, Refusal(On(new Input.Looked(s_vfio.Node, Free: true))).Errno);
        Assert.Empty(_state.Grants);
    }

    [Fact]
    public void A_device_that_the_kernel_does_not_take_stays_with_its_holder_and_is_tried_again()
    {
        Hold(1, s_uio);
        On(new Input.TakeBack(9, Root, s_uio, MayNot: null));

        var effects = On(new Input.Revoked(s_uio.Node, "EIO"));

        Assert.Equal((int)Errno.EIO, Refusal(effects).Errno);
        Assert.Equal(Event.NotRevoked, Assert.Single(effects.OfType<Effect.Log>()).Event);
        Assert.Equal((int)Errno.EBUSY, Refusal(On(Wish(2, Bob, s_uio))).Errno);
        _now += TimeSpan.FromSeconds(5);
        Assert.IsType<Effect.Revoke>(Assert.Single(On(new Input.Tick())));
        Assert.Empty(On(new Input.Revoked(s_uio.Node, "EIO"))); // said once
        _now += TimeSpan.FromSeconds(5);
        Assert.IsType<Effect.Revoke>(Assert.Single(On(new Input.Tick())));
        Assert.Equal(Event.BackAgain, Assert.Single(On(new Input.Revoked(s_uio.Node, null)).OfType<Effect.Log>()).Event);
        Assert.Empty(_state.Grants);
    }

    [Fact]
    public void A_broker_that_was_held_up_gives_its_holders_the_time_back()
    {
        Hold(1, s_uio);
        _now = TimeSpan.FromSeconds(40); // ten late: what the holder has said by now lies behind the tick

        Assert.Empty(On(new Input.Tick()));

        Assert.NotNull(Assert.IsType<Effect.Answer>(Assert.Single(On(new Input.Renewal(1)))).Reply.Renewed);
        Assert.Equal(TimeSpan.FromSeconds(70), _state.Due);
    }

    [Fact]
    public void A_broker_that_was_held_up_does_not_kill_one_who_may_have_closed()
    {
        Hold(1, rule: Rule(then: Stubborn.Kill));
        On(TakeBack(9));
        _now = TimeSpan.FromSeconds(60);

        Assert.Empty(On(new Input.Tick()));
        Assert.IsType<Effect.Look>(Assert.Single(On(new Input.Left(1))));
    }

    [Fact]
    public void One_who_stays_silent_after_the_broker_was_held_up_loses_his_device()
    {
        Hold(1, s_uio);
        _now = TimeSpan.FromSeconds(40);
        On(new Input.Tick());
        _now = _state.Due!.Value;

        Assert.Single(On(new Input.Tick()).OfType<Effect.Revoke>());
    }

    [Theory]
    [InlineData(30_000, 0)] // a timer takes no negative time: -1 ms is for ever, and what is below ends the program
    [InlineData(30_001, 0)]
    [InlineData(90_000, 0)]
    [InlineData(29_000, 1_000)]
    public void A_timer_waits_until_something_is_due_and_never_less_than_nothing(int now, int wait)
    {
        Hold(1);

        Assert.Equal(TimeSpan.FromMilliseconds(wait), _state.Wait(TimeSpan.FromMilliseconds(now)));
    }

    [Fact]
    public void A_timer_is_not_told_to_wait_longer_than_it_can()
    {
        Assert.Null(_state.Wait(_now));
        Hold(1, rule: Rule() with { Lease = TimeSpan.FromDays(60) });

        Assert.Equal(TimeSpan.FromDays(1), _state.Wait(_now));
    }

    [Fact]
    public void What_is_being_bound_is_given_to_nobody_and_what_is_given_is_not_bound()
    {
        var plan = new BindingPlan(new HashSet<string> { s_vfio.Node, s_uio.Node }, () => []);
        Assert.Equal(plan, Assert.IsType<Effect.Bind>(Assert.Single(On(new Input.Bind(1, plan)))).Plan);

        Assert.Equal((int)Errno.EBUSY, Refusal(On(Wish(2))).Errno);
        Assert.Equal((int)Errno.EBUSY, Refusal(On(new Input.TakeBack(3, Root, s_uio, MayNot: null))).Errno);
        Assert.Equal((int)Errno.EBUSY, Refusal(On(new Input.Bind(4, plan))).Errno);
        Assert.NotNull(Assert.IsType<Effect.Answer>(Assert.Single(On(new Input.Bound(1, plan, Replies.Bound(["done"]))))).Reply.Bound);

        Hold(2);
        var refused = Refusal(On(new Input.Bind(1, plan)));
        Assert.Equal((int)Errno.EBUSY, refused.Errno);
        Assert.Contains("is held by user 1000", refused.Why, StringComparison.Ordinal);
        Assert.Empty(_state.InBinding);
    }

    [Fact]
    public void A_list_that_fits_into_no_message_comes_in_several()
    {
        List<string> held = [.. Enumerable.Range(0, 2000).Select(i => $"0000:{i / 32:x2}:{i % 32:x2}.0")];
        for (int i = 0; i < held.Count; i++)
            Hold(i + 1, Uio(held[i]));

        List<string> seen = [];
        Grants page;
        string after = string.Empty;
        do
        {
            var reply = Assert.IsType<Effect.Answer>(Assert.Single(On(new Input.Listing(9999, Root, All: true, after)))).Reply;
            Assert.NotEmpty(Frame.Of(reply));
            page = reply.Grants;
            seen.AddRange(page.All.Select(g => g.Device));
            after = page.Next;
        }
        while (after.Length > 0);

        Assert.Equal(held.Select(a => $"uio:{a}"), seen);
    }

    [Fact]
    public void One_who_resumes_gets_no_descriptor()
    {
        On(Wish(1) with { Resumes = true });

        var effects = On(new Input.Opened(s_vfio.Node, 1, []));

        Assert.NotNull(Assert.IsType<Effect.Answer>(effects[0]).Reply.Renewed);
        Assert.Equal(Event.Resumed, Assert.IsType<Effect.Log>(effects[1]).Event);
    }

    [Fact]
    public void Everybody_sees_his_own_and_an_administrator_sees_all()
    {
        Hold(1);

        Assert.Empty(Listed(new Input.Listing(2, Bob, All: false)));
        Assert.Equal((1000u, "held", 30_000), Listed(new Input.Listing(3, Alice, All: false)) is [var own] ? (own.User, own.State, own.LeaseMilliseconds) : default);
        Assert.Single(Listed(new Input.Listing(4, Root, All: true)));
    }

    /// <summary>Any order of events: every request has one answer, every descriptor one end, and when all have left nothing is kept.</summary>
    [Property(MaxTest = 500)]
    public void Any_order_of_events_leaves_nothing_unanswered_and_nothing_behind(int seed, byte events, bool kills)
    {
        var world = new World(kills);
        var random = new Random(seed);
        for (int i = 0; i < events; i++)
            world.Do(random);
        world.Settle();
        Assert.Empty(world.Unanswered);
        world.EverybodyLeaves();
        world.Settle();
        Assert.Empty(world.Unended);
        Assert.Empty(world.State.Grants);
    }

    private IReadOnlyList<Effect> On(Input input)
    {
        (_state, var effects) = _state.On(input, _now);
        return effects;
    }

    private static Input.Wish Wish(long peer, PeerCredentials? who = null, Target? target = null, PolicyRule? rule = null) =>
        new(peer, who ?? Alice, target ?? s_vfio, rule ?? Rule(), Container: false, Resumes: false);

    private static Input.TakeBack TakeBack(long peer) => new(peer, Root, s_vfio, MayNot: null);

    private void Hold(long peer, Target? target = null, PolicyRule? rule = null)
    {
        On(Wish(peer, target: target, rule: rule));
        using var descriptor = Descriptor();
        Assert.Single(On(new Input.Opened((target ?? s_vfio).Node, peer, [descriptor])).OfType<Effect.Pass>());
    }

    private static FileDescriptor Descriptor() => new(Syscall.open("/dev/null", OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC));

    private static Refused Refusal(IReadOnlyList<Effect> effects) => Assert.Single(effects.OfType<Effect.Answer>()).Reply.Refused;

    private IReadOnlyList<Actors.Backends.Broker.Messages.Grant> Listed(Input.Listing listing) => Assert.IsType<Effect.Answer>(Assert.Single(On(listing))).Reply.Grants.All;

    /// <summary>Peers that do what peers do, and a kernel that answers in any order.</summary>
    private sealed class World(bool kills)
    {
        private static readonly Target[] s_targets = [s_vfio, Vfio(Function("0000:03:00.0", group: "8")), s_uio];

        private readonly HashSet<long> _connected = [.. Enumerable.Range(1, 5).Select(i => (long)i)];
        private readonly List<Effect> _pending = [];
        private readonly Dictionary<string, long> _open = []; // who really has a node open
        private TimeSpan _now;

        public BrokerState State { get; private set; } = BrokerState.Empty;

        public HashSet<long> Unanswered { get; } = [];

        public HashSet<FileDescriptor> Unended { get; } = [];

        public void Do(Random random)
        {
            long peer = random.Next(1, 6);
            var target = s_targets[random.Next(s_targets.Length)];
            var rule = Rule(then: kills ? Stubborn.Kill : Stubborn.Report);
            switch (random.Next(8))
            {
                case 0 or 1: Ask(peer, new Input.Wish(peer, random.Next(2) == 0 ? Alice : Bob, target, rule, Container: false, Resumes: false)); break;
                case 2: Ask(peer, new Input.Renewal(peer)); break;
                case 3: Ask(peer, new Input.TakeBack(peer, Root, target, MayNot: null)); break;
                case 4: Leave(peer); break;
                case 5: Pass(TimeSpan.FromMilliseconds(random.Next(20_000))); break;
                case 6: CloseAll(peer); break;
                default: Answer(random); break;
            }
        }

        public void Settle()
        {
            for (int i = 0; i < 200; i++)
            {
                foreach (long peer in _open.Values.ToArray())
                    CloseAll(peer);
                while (_pending.Count > 0)
                    Answer(new Random(i));
                if (Unanswered.Count == 0 && State.Grants.Values.All(g => g.Phase is Phase.Held))
                    return;
                Pass(TimeSpan.FromSeconds(1));
            }
        }

        public void EverybodyLeaves()
        {
            foreach (long peer in _connected.ToArray())
                Leave(peer);
        }

        private void Ask(long peer, Input input)
        {
            if (_connected.Contains(peer) && Unanswered.Add(peer))
                Move(input);
        }

        private void Leave(long peer)
        {
            if (!_connected.Remove(peer))
                return;
            Unanswered.Remove(peer);
            Move(new Input.Left(peer));
        }

        private void CloseAll(long peer)
        {
            foreach (string node in _open.Where(o => o.Value == peer).Select(o => o.Key).ToArray())
                _open.Remove(node);
        }

        private void Pass(TimeSpan time)
        {
            _now += time;
            if (State.Due <= _now)
                Move(new Input.Tick());
        }

        private void Answer(Random random)
        {
            if (_pending.Count == 0)
                return;
            var effect = _pending[random.Next(_pending.Count)];
            _pending.Remove(effect);
            switch (effect)
            {
                case Effect.Open { Wish: var wish } when _open.ContainsKey(wish.Target.Node):
                    Move(new Input.NotOpened(wish.Target.Node, wish.Peer, Replies.Refusal(Errno.EBUSY, "busy", "wait")));
                    break;
                case Effect.Open { Wish: var wish }:
                    var descriptor = new FileDescriptor(-1);
                    Unended.Add(descriptor);
                    _open[wish.Target.Node] = wish.Peer;
                    Move(new Input.Opened(wish.Target.Node, wish.Peer, [descriptor]));
                    break;
                case Effect.Look look:
                    Move(new Input.Looked(look.Target.Node, !_open.ContainsKey(look.Target.Node)));
                    break;
                case Effect.Revoke revoke when random.Next(4) == 0:
                    Move(new Input.Revoked(revoke.Target.Node, "EIO"));
                    break;
                case Effect.Revoke revoke:
                    _open.Remove(revoke.Target.Node);
                    Move(new Input.Revoked(revoke.Target.Node, Problem: null));
                    break;
                default:
                    throw new InvalidOperationException(effect.ToString());
            }
        }

        private void Move(Input input)
        {
            (State, var effects) = State.On(input, _now);
            foreach (var effect in effects)
                Perform(effect);
            Assert.All(State.Grants.Values, g => Assert.True(g.Phase.Due is not null || _pending.Exists(p => Waits(p, g)), $"nothing ever moves {g}"));
        }

        private static bool Waits(Effect pending, Grant grant) => pending switch
        {
            Effect.Open open => open.Wish.Target.Node == grant.Target.Node,
            Effect.Look look => look.Target.Node == grant.Target.Node,
            Effect.Revoke revoke => revoke.Target.Node == grant.Target.Node,
            _ => false,
        };

        private void Perform(Effect effect)
        {
            switch (effect)
            {
                case Effect.Pass pass:
                    Assert.All(pass.Descriptors, d => Assert.True(Unended.Remove(d)));
                    Answered(pass.Peer);
                    break;
                case Effect.Discard discard:
                    Assert.All(discard.Descriptors, d => Assert.True(Unended.Remove(d)));
                    foreach (string node in _open.Where(o => !_connected.Contains(o.Value)).Select(o => o.Key).ToArray())
                        _open.Remove(node);
                    break;
                case Effect.Answer answer: Answered(answer.Peer); break;
                case Effect.Kill kill:
                    CloseAll(kill.Peer);
                    break;
                case Effect.Open or Effect.Look or Effect.Revoke: _pending.Add(effect); break;
                default: break;
            }
        }

        private void Answered(long peer) => Assert.True(!_connected.Contains(peer) || Unanswered.Remove(peer), $"{peer} asked nothing");
    }
}
