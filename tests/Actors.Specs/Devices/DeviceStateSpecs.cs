using Akka.Actor;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using static Riser.Actors.Devices.DeviceState;

namespace Riser.Actors.Specs.Devices;

/// <summary>The device's life without an actor: every message in every state.</summary>
public sealed class DeviceStateSpecs
{
    private static readonly DeviceId s_device = DeviceId.Parse("sim:pony");
    private static readonly SessionInfo s_info = new([], [], new(Present: true, 4096, [], 10), 4096, CanReset: true, CanTrigger: true);
    private static readonly RestartPolicy s_policy = new(
        5,
        TimeSpan.FromMinutes(1),
        0,
        Enum.GetValues<SessionFailure>().ToDictionary(f => f, _ => new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10))));

    private static readonly IActorRef s_owner = ActorRefs.Nobody;

    private static readonly Surroundings s_around = new(s_device, s_owner, s_policy, TimeSpan.Zero, 0.5, Present: true, SessionHangs: false, TimeSpan.FromSeconds(1));

    [Fact]
    public void A_failure_while_opening_ends_the_session_before_anything_else()
    {
        var opening = new Closed(Past.None).On(new Start(s_owner), s_around).Next;
        Assert.IsType<Opening>(opening);

        var (next, effects) = opening.On(new SessionProtocol.Failed(1, SessionFailure.OpenFailed, Errno.EBUSY, "busy"), s_around);

        Assert.IsType<Ending>(next);
        Assert.Contains(effects, e => e is Effect.EndSession);
    }

    [Fact]
    public void A_message_of_an_earlier_session_changes_nothing()
    {
        var ready = Ready();
        object[] stale =
        [
            new SessionProtocol.Failed(0, SessionFailure.Crash, Errno.EIO, "late"),
            new SessionProtocol.Ended(0),
            new SessionProtocol.Opened(0, s_info),
            new Overdue(0, "a heartbeat", TimeSpan.Zero),
            new Elapsed(),
        ];
        foreach (object message in stale)
        {
            var (next, effects) = ready.On(message, s_around);
            Assert.Equal(ready, next);
            Assert.Empty(effects);
        }
    }

    [Fact]
    public void A_hang_is_given_up_at_once_and_nothing_is_awaited_any_more()
    {
        var (next, effects) = Ready().On(new Overdue(1, "a heartbeat", TimeSpan.FromSeconds(10)), s_around);
        Assert.Equal(SessionFailure.Hang, Assert.IsType<Quarantined>(next).Failure);
        Assert.Contains(effects, e => e is Effect.AbandonSession);
        Assert.DoesNotContain(effects, e => e is Effect.EndSession);
    }

    [Fact]
    public void Closing_while_a_failed_session_ends_closes()
    {
        var ending = Ready().On(new SessionProtocol.Failed(1, SessionFailure.DeviceError, Errno.EIO, "AER"), s_around).Next;
        ending = ending.On(new Stop(), s_around).Next;
        Assert.IsType<Closed>(ending.On(new SessionProtocol.Ended(1), s_around).Next);
    }

    [Fact]
    public void A_device_that_leaves_while_it_backs_off_is_absent_and_comes_back()
    {
        DeviceState state = new BackingOff(Past.None with { Epoch = 1 }, SessionFailure.DeviceError);
        state = state.On(new Departed(), s_around with { Present = false }).Next;
        Assert.IsType<Absent>(state);
        Assert.IsType<BackingOff>(state.On(new Arrived(), s_around).Next);
    }

    [Fact]
    public void A_device_that_was_asked_back_and_has_come_before_its_session_has_ended_is_opened_again()
    {
        var ending = Ready().On(new SessionProtocol.Failed(1, SessionFailure.RemovalRequested, Errno.ENODEV, "removal"), s_around).Next;
        Assert.IsType<Absent>(ending.On(new SessionProtocol.Ended(1), s_around).Next);

        ending = ending.On(new Departed(), s_around).Next.On(new Arrived(), s_around).Next;
        Assert.IsType<BackingOff>(ending.On(new SessionProtocol.Ended(1), s_around).Next);
        Assert.IsType<Absent>(ending.On(new Departed(), s_around).Next.On(new SessionProtocol.Ended(1), s_around).Next);
    }

    [Fact]
    public void The_loss_of_the_group_is_the_loss_of_the_session()
    {
        var (next, effects) = Ready().On(new GroupLost(DeviceId.Parse("sim:other")), s_around);
        Assert.Equal(SessionFailure.GroupLost, Assert.IsType<Ending>(next).Failure);
        Assert.Contains("sim:other", effects.OfType<Effect.Announce>().Select(a => ((DeviceProtocol.SessionLost)a.Event).Why).Single(), StringComparison.Ordinal);
    }

    /// <summary>
    /// Whatever comes in whatever order: at most one session is started before the former has ended, the epoch only grows, and no more
    /// restarts happen within a window than the budget allows.
    /// </summary>
    [Property(MaxTest = 2000)]
    public Property No_order_of_messages_opens_two_sessions_or_spends_more_than_the_budget() => Prop.ForAll(
        ArbMap.Default.GeneratorFor<byte>().ArrayOf(120).ToArbitrary(),
        script =>
        {
            DeviceState state = new Closed(Past.None);
            bool live = false, hung = false, present = true;
            long epoch = 0;
            int restarts = 0;
            foreach (byte step in script)
            {
                if (step % 16 is 10 or 11)
                    present = step % 16 == 10;
                var before = state;
                (state, var effects) = state.On(Message(step, state, live), s_around with { Present = present, SessionHangs = hung });
                if (Message(step, before, live) is SessionProtocol.Ended)
                    live = hung = false;
                foreach (var effect in effects)
                {
                    switch (effect)
                    {
                        case Effect.StartSession start:
                            Assert.False(live, $"session {start.Epoch} was started while another lives, from {before.Phase}");
                            Assert.True(start.Epoch > epoch);
                            restarts = before is BackingOff && Message(step, before, live) is Elapsed ? restarts + 1 : 0;
                            Assert.True(restarts <= 5, "more restarts than the budget");
                            (live, epoch) = (true, start.Epoch);
                            break;
                        case Effect.AbandonSession:
                            hung = true;
                            break;
                        case Effect.ReleaseAll:
                            Assert.True(!live || hung, "parts were released under a live session");
                            break;
                    }
                }
            }
        });

    private static object Message(byte step, DeviceState state, bool live) => (step % 16) switch
    {
        0 => new Start(s_owner),
        1 => new Take(s_owner),
        2 => new Stop(),
        3 or 4 when live => new SessionProtocol.Opened(state.History.Epoch, s_info),
        5 or 6 when live => new SessionProtocol.Failed(state.History.Epoch, (SessionFailure)(step % 6), Errno.EIO, "script"),
        7 or 8 when live && state is Ending => new SessionProtocol.Ended(state.History.Epoch),
        9 => new Overdue(state.History.Epoch, "script", TimeSpan.Zero),
        10 => new Arrived(),
        11 => new Departed(),
        12 => new GroupLost(s_device),
        13 => new Resumed(),
        _ => new Elapsed(),
    };

    private static DeviceState Ready()
    {
        var opening = new Closed(Past.None).On(new Start(s_owner), s_around).Next;
        return opening.On(new SessionProtocol.Opened(1, s_info), s_around).Next;
    }
}
