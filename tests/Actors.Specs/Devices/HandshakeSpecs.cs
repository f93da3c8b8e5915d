using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Devices;

/// <summary>Errors, suspend and removal as messages with deadlines, answered by the owner.</summary>
public sealed class HandshakeSpecs(ITestOutputHelper output) : DeviceSpec(output)
{
    private static readonly TimeSpan s_long = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(50);

    [Fact]
    public void An_error_that_the_owner_recovers_from_leaves_the_session_as_it_is()
    {
        Open();
        long told = Simulation.Tell(SessionEventKind.Error, s_long, DeviceErrorSeverity.Working);

        var error = ExpectMsg<DeviceProtocol.DeviceErrorDetected>();
        Assert.Equal(new(Simulation.Id, 1, told, SessionEventKind.Error, DeviceErrorSeverity.Working, s_long), error);
        Assert.Equal(told, Ask<DeviceProtocol.Replied>(new DeviceProtocol.Reply(error.Event, SessionReply.Recover)).Event);
        Simulation.Tell(SessionEventKind.ErrorOver);

        Assert.Equal(1, ExpectMsg<DeviceProtocol.DeviceErrorOver>().Epoch);
        Assert.Equal([(told, SessionReply.Recover)], Simulation.Replies);
        Assert.Equal((DevicePhase.Ready, 1L), (Describe().State, Describe().Epoch));
    }

    [Fact]
    public void Every_step_of_a_recovery_is_answered_in_turn()
    {
        Open();

        foreach (var (step, answer) in ((SessionEventKind, SessionReply)[])[(SessionEventKind.Error, SessionReply.Look), (SessionEventKind.RegistersReachable, SessionReply.ResetLink), (SessionEventKind.LinkReset, SessionReply.Recover)])
        {
            Simulation.Tell(step, s_long);
            var asked = ExpectMsg<DeviceProtocol.DeviceErrorDetected>();
            Assert.Equal(step, asked.Step);
            Ask<DeviceProtocol.Replied>(new DeviceProtocol.Reply(asked.Event, answer));
        }

        Assert.Equal([SessionReply.Look, SessionReply.ResetLink, SessionReply.Recover], Simulation.Replies.Select(r => r.Reply));
        Assert.True(Simulation.IsBusMaster);
    }

    [Fact]
    public void Bus_mastering_is_on_again_once_a_reset_of_the_link_is_answered()
    {
        Open();
        Ask<DeviceProtocol.ConfigWritten>(new DeviceProtocol.WriteConfig(4, 2, 2)); // as the link's reset leaves it
        Assert.False(Simulation.IsBusMaster);
        Simulation.Tell(SessionEventKind.LinkReset, s_long);

        Ask<DeviceProtocol.Replied>(new DeviceProtocol.Reply(ExpectMsg<DeviceProtocol.DeviceErrorDetected>().Event, SessionReply.Recover));

        Assert.True(Simulation.IsBusMaster);
    }

    [Fact]
    public void A_device_that_the_owner_gives_up_begins_anew()
    {
        Open();
        long told = Simulation.Tell(SessionEventKind.Error, s_long, DeviceErrorSeverity.Frozen);
        var error = ExpectMsg<DeviceProtocol.DeviceErrorDetected>();

        Device.Tell(new DeviceProtocol.Reply(error.Event, SessionReply.Disconnect), TestActor);

        Assert.Equal(SessionFailure.DeviceError, ExpectMsg<DeviceProtocol.SessionLost>().Failure);
        ExpectMsg<DeviceProtocol.Replied>();
        Assert.Equal(2, ExpectMsg<DeviceProtocol.SessionReady>().Epoch);
        Assert.Equal([(told, SessionReply.Disconnect)], Simulation.Replies);
    }

    [Fact]
    public void An_error_that_nobody_answers_for_begins_a_new_session()
    {
        Open();
        Simulation.Tell(SessionEventKind.Error, s_short, DeviceErrorSeverity.Working);
        ExpectMsg<DeviceProtocol.DeviceErrorDetected>();

        var lost = ExpectMsg<DeviceProtocol.SessionLost>();

        Assert.Equal(SessionFailure.DeviceError, lost.Failure);
        Assert.Contains("nobody answered", lost.Why);
        Assert.Equal(2, ExpectMsg<DeviceProtocol.SessionReady>().Epoch);
        Assert.Empty(Simulation.Replies);
    }

    [Fact]
    public void An_error_that_the_kernel_does_not_ask_about_begins_a_new_session_at_once()
    {
        Open();
        Simulation.Tell(SessionEventKind.Error, deadline: null, DeviceErrorSeverity.Dead);

        Assert.Equal(SessionFailure.DeviceError, ExpectMsg<DeviceProtocol.SessionLost>().Failure);
        ExpectMsg<DeviceProtocol.SessionReady>();
    }

    [Fact]
    public void A_reset_by_somebody_else_begins_a_new_session()
    {
        Open();
        Simulation.Tell(SessionEventKind.ForeignReset);

        Assert.Contains("reset", ExpectMsg<DeviceProtocol.SessionLost>().Why);
        ExpectMsg<DeviceProtocol.SessionReady>();
    }

    [Theory]
    [InlineData(SessionReply.Recover)]
    [InlineData(SessionReply.Disconnect)]
    public void A_suspend_is_let_go_ahead_or_refused_and_the_session_stays(SessionReply answer)
    {
        Open();
        long told = Simulation.Tell(SessionEventKind.Suspend, s_long);
        var asked = ExpectMsg<DeviceProtocol.SuspendRequested>();

        Ask<DeviceProtocol.Replied>(new DeviceProtocol.Reply(asked.Event, answer));
        Simulation.Tell(SessionEventKind.Resumed);

        ExpectMsg<DeviceProtocol.SystemResumed>();
        Assert.Equal([(told, answer)], Simulation.Replies);
        Assert.Equal(1, Describe().Epoch);
    }

    [Fact]
    public void A_suspend_that_nobody_answers_goes_ahead_and_the_session_stays()
    {
        Open();
        Simulation.Tell(SessionEventKind.Suspend, s_short);
        var asked = ExpectMsg<DeviceProtocol.SuspendRequested>();
        Simulation.GiveUp(asked.Event);
        AwaitAssert(() => Assert.Equal(Errno.ENOENT, Ask<Refused>(new DeviceProtocol.Reply(asked.Event, SessionReply.Recover)).Errno));

        Assert.Equal((DevicePhase.Ready, 1L), (Describe().State, Describe().Epoch));
    }

    [Fact]
    public void A_removal_waits_for_the_owner_who_lets_go()
    {
        Open();
        Simulation.Tell(SessionEventKind.Remove, s_long);
        var asked = ExpectMsg<DeviceProtocol.RemovalRequested>();
        Assert.Equal(DevicePhase.Ready, Describe().State);

        Ask<DeviceProtocol.Replied>(new DeviceProtocol.Reply(asked.Event, SessionReply.Disconnect));

        Assert.Equal(SessionFailure.RemovalRequested, ExpectMsg<DeviceProtocol.SessionLost>().Failure);
        AwaitAssert(() => Assert.Equal(DevicePhase.Absent, Describe().State));
        Assert.Equal(0, Simulation.OpenSessions);
    }

    [Fact]
    public void A_removal_that_waits_for_no_answer_ends_the_session_at_once()
    {
        Open();
        Simulation.Tell(SessionEventKind.Remove);

        Assert.Equal(SessionFailure.RemovalRequested, ExpectMsg<DeviceProtocol.SessionLost>().Failure);
        AwaitAssert(() => Assert.Equal(DevicePhase.Absent, Describe().State));
    }

    [Fact]
    public void A_removal_goes_ahead_within_its_deadline_when_the_owner_says_nothing()
    {
        Open();
        Simulation.Tell(SessionEventKind.Remove, s_short);
        ExpectMsg<DeviceProtocol.RemovalRequested>();

        Assert.Equal(SessionFailure.RemovalRequested, ExpectMsg<DeviceProtocol.SessionLost>().Failure);
        AwaitAssert(() => Assert.Equal(DevicePhase.Absent, Describe().State));
    }

    [Fact]
    public void Only_the_owner_answers_once_and_with_an_answer_that_there_is()
    {
        Open();
        Simulation.Tell(SessionEventKind.Error, s_long, DeviceErrorSeverity.Working);
        var asked = ExpectMsg<DeviceProtocol.DeviceErrorDetected>();
        var stranger = CreateTestProbe();

        Device.Tell(new DeviceProtocol.Reply(asked.Event, SessionReply.Recover), stranger.Ref);
        Assert.Equal(Errno.EPERM, stranger.ExpectMsg<Refused>().Errno);
        Assert.Equal(Errno.ENOENT, Ask<Refused>(new DeviceProtocol.Reply(asked.Event + 1, SessionReply.Recover)).Errno);
        Assert.Equal(Errno.EINVAL, Ask<Refused>(new DeviceProtocol.Reply(asked.Event, (SessionReply)9)).Errno);
        Simulation.GiveUp(asked.Event);
        Assert.Equal(Errno.ENOENT, Ask<Refused>(new DeviceProtocol.Reply(asked.Event, SessionReply.Recover)).Errno);
        Assert.Empty(Simulation.Replies);
    }

    [Fact]
    public void An_event_of_a_session_that_ended_cannot_be_answered()
    {
        Open();
        Simulation.Tell(SessionEventKind.Error, s_long, DeviceErrorSeverity.Working);
        var asked = ExpectMsg<DeviceProtocol.DeviceErrorDetected>();
        Simulation.ReportError();
        ExpectMsg<DeviceProtocol.SessionLost>();
        ExpectMsg<DeviceProtocol.SessionReady>();

        Assert.Equal(Errno.ENOENT, Ask<Refused>(new DeviceProtocol.Reply(asked.Event, SessionReply.Recover)).Errno);
    }

    [Fact]
    public void A_device_that_was_taken_away_is_opened_again_after_a_backoff_of_its_own()
    {
        Open();
        Simulation.FailNext(SimulatedCall.ReadConfig, Errno.ENODEV, failure: SessionFailure.Revoked);

        Device.Tell(new DeviceProtocol.ReadConfig(0, 4), TestActor);

        Assert.Equal(SessionFailure.Revoked, FishForMessage<DeviceProtocol.SessionLost>(l => l.Command is null).Failure);
        Assert.Equal(2, FishForMessage<DeviceProtocol.SessionReady>(_ => true).Epoch);
    }
}
