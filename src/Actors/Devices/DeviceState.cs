using Akka.Actor;
using Riser.Actors.Backends;
using static Riser.Actors.Devices.DeviceProtocol;

namespace Riser.Actors.Devices;

/// <summary>
/// Where a device is in its life, without an actor around it.
/// <code>
/// Closed ──Open──▶ Opening ──opened──▶ Ready ──Close──▶ Ending ──ended──▶ Closed
///    ▲               │ ▲ failed          │ failed          │ was a failure
///    │               ▼ │                 ▼                 ▼
///    │            Ending ◀───────────── Ending ──▶ BackingOff ──elapsed──▶ Opening
///    │                                     ├──device gone──▶ Absent ──it is back──▶ BackingOff
///  Close                                   └──budget spent, or a hang──▶ Quarantined ──Resume──▶ Opening
/// </code>
/// </summary>
internal abstract record DeviceState(DeviceState.Past History)
{
    public sealed record Closed(Past History) : DeviceState(History);

    public sealed record Opening(Past History) : DeviceState(History);

    public sealed record Ready(Past History, SessionInfo Info) : DeviceState(History);

    /// <summary>The session is being ended; <paramref name="Failure"/> is null when that is its owner's will.</summary>
    /// <param name="History">As of every state.</param>
    /// <param name="Failure">Why.</param>
    /// <param name="IsBack">The device has come back meanwhile.</param>
    public sealed record Ending(Past History, SessionFailure? Failure, bool IsBack = false) : DeviceState(History);

    public sealed record BackingOff(Past History, SessionFailure Failure) : DeviceState(History);

    public sealed record Absent(Past History, SessionFailure Failure) : DeviceState(History);

    public sealed record Quarantined(Past History, SessionFailure Failure, string Why) : DeviceState(History);

    public DevicePhase Phase => this switch
    {
        Closed => DevicePhase.Closed,
        Opening => DevicePhase.Opening,
        Ready => DevicePhase.Ready,
        Ending => DevicePhase.Ending,
        BackingOff => DevicePhase.BackingOff,
        Absent => DevicePhase.Absent,
        Quarantined => DevicePhase.Quarantined,
        _ => throw new InvalidOperationException(GetType().Name),
    };

    public IActorRef? Owner => History.Owner;

    public Step On(object message, Surroundings around) => (this, message) switch
    {
        (Closed, Start or Take) when around.SessionHangs => Stay(this, new Effect.Refuse(
            Errno.EBUSY,
            $"Session {History.Epoch} of {around.Device} still hangs inside the kernel",
            "Wait until the call returns, or reboot; then open it again.")),
        (Closed, Start start) => Begin(History with { Owner = start.Owner, Restarts = [] }),
        (_, Start start) when start.Owner.Equals(Owner) => Join(start.Owner, around),
        (_, Start) => Stay(this, new Effect.Refuse(Errno.EBUSY, $"{around.Device} is open for {Owner}", "Wait for its owner to close it, or take it over with TakeOver.")),
        (Closed, Take take) => Begin(History with { Owner = take.Owner, Restarts = [] }),
        (_, Take take) => Hand(take.Owner, around),

        (Quarantined or Absent or BackingOff, Stop) => Finish(new Effect.AnswerLater(around.Sender)),
        (Opening or Ready, Stop) => Stay(new Ending(History, Failure: null), new Effect.AnswerLater(around.Sender), new Effect.EndSession(around.EndTimeout)),
        (Ending ending, Stop) => Stay(ending with { Failure = null }, new Effect.AnswerLater(around.Sender)),
        (Closed, Stop) => Stay(this, new Effect.Answer(around.Sender, new DeviceProtocol.Closed(around.Device))),

        (Opening, SessionProtocol.Opened opened) when opened.Epoch == History.Epoch => Open(opened.Info, around),
        (Opening or Ready, SessionProtocol.Failed failed) when failed.Epoch == History.Epoch => Lose(failed.Failure, failed.Why, around),
        (Ending ending, SessionProtocol.Failed failed) when failed.Epoch == History.Epoch => Stay(ending),
        (Ending ending, SessionProtocol.Ended ended) when ended.Epoch == History.Epoch => ending.Failure is { } failure ? Recover(failure, ending.IsBack, around) : Finish(),
        (Ending ending, Arrived) => Stay(ending with { IsBack = true }),
        (Ending ending, Departed) => Stay(ending with { IsBack = false }),

        (Opening or Ready or Ending, Overdue late) when late.Epoch == History.Epoch => Hang(late, around),
        (BackingOff, Elapsed) => Begin(History with { Restarts = [.. History.Restarts.Where(at => around.Now - at < around.Policy.Window), around.Now], TotalRestarts = History.TotalRestarts + 1 }),
        (Absent absent, Arrived) => Restart(absent.Failure, around),
        (BackingOff backing, Departed) => Stay(new Absent(History, backing.Failure)),
        (Ready or Opening, GroupLost lost) => Lose(SessionFailure.GroupLost, $"{lost.By} of the same IOMMU group lost its session, or its reset took the group along", around),
        (Ready or Opening, Departed) => Lose(SessionFailure.SurpriseRemoval, "the device is no longer on the bus", around),
        (Quarantined, Resumed) when around.SessionHangs => Stay(this, new Effect.Refuse(Errno.EBUSY, $"Session {History.Epoch} still hangs inside the kernel", "Wait until the call returns, or reboot; then resume again.")),
        (Quarantined or Absent or BackingOff, Resumed) => Begin(History with { Restarts = [], TotalRestarts = History.TotalRestarts + 1 }, new Effect.AnswerLater(around.Sender)),
        (_, Resumed) => Stay(this, new Effect.Refuse(Errno.EINVAL, $"{around.Device} is {Phase}", "Only a device that is quarantined, absent or backing off can be resumed.")),

        (_, Arrived or Departed or GroupLost or Elapsed or Overdue or SessionProtocol.Opened or SessionProtocol.Failed or SessionProtocol.Ended) => Stay(this),
        _ => Stay(this, new Effect.Unhandled(message)),
    };

    private static Step Begin(Past history, params ReadOnlySpan<Effect> first) =>
        new(new Opening(history with { Epoch = history.Epoch + 1 }), [.. first, new Effect.StartSession(history.Epoch + 1)]);

    // One who owns it already, or takes it over, hears of the next session as the first one did.
    private Step Join(IActorRef owner, Surroundings around) => this switch
    {
        Ready ready => Stay(this, new Effect.Answer(owner, new SessionReady(around.Device, History.Epoch, ready.Info))),
        Quarantined given => Stay(this, new Effect.Answer(owner, new DeviceProtocol.Quarantined(around.Device, given.Failure, given.Why))),
        _ => Stay(this, new Effect.AnswerLater(owner)),
    };

    private Step Hand(IActorRef owner, Surroundings around)
    {
        var handed = this with { History = History with { Owner = owner } };
        return Stay(handed, [.. Disown(owner), .. handed.Join(owner, around).Effects]);
    }

    private Effect[] Disown(IActorRef next) => Owner is { } former && !former.Equals(next) ? [new Effect.RevokeBars(), new Effect.Revoke(former, next)] : [];

    private Step Open(SessionInfo info, Surroundings around)
    {
        var ready = new Ready(History, info);
        return new(ready, [new Effect.Announce(new SessionReady(around.Device, History.Epoch, info))]);
    }

    private Step Lose(SessionFailure failure, string why, Surroundings around)
    {
        var history = History with { LastFault = $"{failure}: {why}" };
        return new(new Ending(history, failure), [
            new Effect.Announce(new SessionLost(around.Device, History.Epoch, failure, why)),
            new Effect.EndSession(around.EndTimeout)]);
    }

    private Step Hang(Overdue late, Surroundings around)
    {
        string why = $"{late.What} did not return within {late.After.TotalSeconds:0.###} s";
        var history = History with { LastFault = $"{SessionFailure.Hang}: {why}" };
        return new(new Quarantined(history, SessionFailure.Hang, why), [
            new Effect.AbandonSession(),
            new Effect.Announce(new SessionLost(around.Device, History.Epoch, SessionFailure.Hang, why)),
            new Effect.Announce(new DeviceProtocol.Quarantined(around.Device, SessionFailure.Hang, why))]);
    }

    // A device that was asked back, or is gone, is not opened again before the bus says that it has come.
    private Step Recover(SessionFailure failure, bool isBack, Surroundings around) =>
        (failure == SessionFailure.RemovalRequested && !isBack) || (failure == SessionFailure.SurpriseRemoval && !around.Present)
            ? Stay(new Absent(History, failure))
            : Restart(failure, around);

    private Step Restart(SessionFailure failure, Surroundings around)
    {
        switch (around.Policy.Decide(failure, History.Restarts, around.Now, around.Chance))
        {
            case RestartDecision.After after:
                return Stay(new BackingOff(History, failure), new Effect.BackOff(after.Delay));
            case RestartDecision.GiveUp up:
                string why = $"{History.LastFault ?? failure.ToString()}; {up.Why}";
                return Stay(new Quarantined(History, failure, why), new Effect.Announce(new DeviceProtocol.Quarantined(around.Device, failure, why)));
            case var other:
                throw new InvalidOperationException(other.GetType().Name);
        }
    }

    private Step Finish(params ReadOnlySpan<Effect> first) => Stay(new Closed(History with { Owner = null }), [.. first, new Effect.ReleaseAll(Owner)]);

    private static Step Stay(DeviceState state, params ReadOnlySpan<Effect> effects) => new(state, [.. effects]);

    internal readonly record struct Step(DeviceState Next, IReadOnlyList<Effect> Effects);

    /// <summary>What a device remembers from one state to the next.</summary>
    /// <param name="Owner">Who opened it.</param>
    /// <param name="Epoch">The last session's number.</param>
    /// <param name="Restarts">When it was restarted since its owner opened it or an operator resumed it.</param>
    /// <param name="TotalRestarts">How often, over its life.</param>
    /// <param name="LastFault">Why the last session was lost.</param>
    internal sealed record Past(IActorRef? Owner, long Epoch, IReadOnlyList<TimeSpan> Restarts, int TotalRestarts, string? LastFault)
    {
        public static readonly Past None = new(Owner: null, 0, [], 0, LastFault: null);
    }

    /// <summary>What a decision depends on besides the state.</summary>
    internal sealed record Surroundings(
        DeviceId Device,
        IActorRef Sender,
        RestartPolicy Policy,
        TimeSpan Now,
        double Chance,
        bool Present,
        bool SessionHangs,
        TimeSpan EndTimeout);

    internal sealed record Start(IActorRef Owner);

    internal sealed record Take(IActorRef Owner);

    internal sealed record Stop : INoSerializationVerificationNeeded;

    internal sealed record Resumed;

    internal sealed record Arrived;

    internal sealed record Departed;

    internal sealed record Elapsed : INoSerializationVerificationNeeded;

    /// <summary>Another function of the same IOMMU group has lost its session.</summary>
    internal sealed record GroupLost(DeviceId By) : INoSerializationVerificationNeeded;

    /// <summary>A call on the session has not returned in time.</summary>
    internal sealed record Overdue(long Epoch, string What, TimeSpan After) : INoSerializationVerificationNeeded;

    /// <summary>What the actor does about it, in order.</summary>
    internal abstract record Effect
    {
        public sealed record StartSession(long Epoch) : Effect;

        public sealed record EndSession(TimeSpan Within) : Effect;

        /// <summary>The session hangs: nothing is awaited from it any more.</summary>
        public sealed record AbandonSession : Effect;

        public sealed record BackOff(TimeSpan Delay) : Effect;

        /// <summary>Tells watchers, DMA regions, vectors, and those who wait for the device.</summary>
        public sealed record Announce(IEvent Event) : Effect;

        public sealed record Answer(IActorRef To, object Message) : Effect;

        /// <summary>Answers with the next SessionReady, Quarantined or Closed.</summary>
        public sealed record AnswerLater(IActorRef To) : Effect;

        public sealed record Refuse(Errno Errno, string Why, string Fix) : Effect;

        public sealed record Revoke(IActorRef Former, IActorRef By) : Effect;

        public sealed record RevokeBars : Effect;

        /// <summary>Stops DMA regions and vectors, frees memory, announces that the device is closed.</summary>
        public sealed record ReleaseAll(IActorRef? Former) : Effect;

        public sealed record Unhandled(object Message) : Effect;
    }
}
