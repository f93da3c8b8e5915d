using Akka.Actor;
using Akka.TestKit;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interop;
using Riser.Actors.Interrupts;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Devices;

/// <summary>Every way to lose a session, and what becomes of what the client holds.</summary>
public sealed class RestartSpecs(ITestOutputHelper output) : DeviceSpec(output)
{
    [Fact]
    public void A_device_error_restarts_the_session_and_interrupts_go_on()
    {
        Open();
        var subscriber = Subscribe(OpenVectors(4)[2]);
        Simulation.Raise(2, 3);

        Simulation.ReportError();

        ExpectLost(1, SessionFailure.DeviceError);
        ExpectReady(2);
        Simulation.Raise(2, 2);
        long counted = 0;
        long epoch = 0;
        while (counted < 5 || epoch < 2)
        {
            switch (subscriber.ReceiveOne(TimeSpan.FromSeconds(10)))
            {
                case InterruptSignal signal: counted += signal.Take(); break;
                case InterruptProtocol.SessionReady ready: epoch = ready.Epoch; break;
                case InterruptProtocol.SessionLost lost: Assert.Equal(SessionFailure.DeviceError, lost.Failure); break;
                case var other: Assert.Fail($"unexpected: {other}"); break;
            }
        }
        Assert.Equal(5, counted);
        Assert.Equal(1, Describe().Restarts);
        Assert.Contains("DeviceError", Describe().LastFault, StringComparison.Ordinal);
        Assert.Equal(1, Simulation.OpenSessions);
    }

    [Fact]
    public void A_session_is_ended_in_order()
    {
        Open();
        OpenVectors(4);
        CreateRegion();
        Simulation.ReportError();
        ExpectLost(1, SessionFailure.DeviceError);
        ExpectReady(2);

        string[] steps = [.. Simulation.History.Select(c => c.ToString()).SkipWhile(c => c != nameof(SimulatedCall.SetBusMaster)).TakeWhile(c => c != nameof(SimulatedCall.Open))];
        Assert.Equal(
            [nameof(SimulatedCall.SetBusMaster), nameof(SimulatedCall.Reset), nameof(SimulatedCall.Disarm), nameof(SimulatedCall.Unmap), nameof(SimulatedCall.Close)],
            steps);
    }

    [Fact]
    public void Memory_keeps_its_bytes_and_its_IOVA_over_a_restart()
    {
        Open();
        var region = CreateRegion();
        region.Memory.Span(0, 4).Fill(0x5a);

        Simulation.ReportError();
        ExpectLost(1, SessionFailure.DeviceError);
        ExpectReady(2);

        Assert.Equal([0x5a, 0x5a, 0x5a, 0x5a], region.Memory.Span(0, 4).ToArray());
        Assert.Equal(region.Range, Assert.Single(Simulation.Mappings).Range);
        region.Region.Tell(new DmaProtocol.Describe(), TestActor);
        Assert.Equal(DmaRegionPhase.Mapped, ExpectMsg<DmaProtocol.Description>().Phase);
    }

    [Fact]
    public void A_region_that_ends_while_its_map_is_under_way_leaves_nothing_mapped()
    {
        Open();
        var region = CreateRegion();
        region.Region.Tell(new DmaProtocol.Unmap(), TestActor);
        ExpectMsg<DmaProtocol.Unmapped>();
        Watch(region.Region);
        Simulation.Freeze();

        region.Region.Tell(new DmaProtocol.Map(), TestActor);
        region.Region.Tell(PoisonPill.Instance);
        ExpectTerminated(region.Region);
        Describe(); // by now the device knows, too
        Simulation.Thaw();

        AwaitAssert(() => Assert.Equal(0, Describe().Counts.DmaRegions));
        Assert.Empty(Simulation.Mappings);
    }

    [Fact]
    public void An_open_that_fails_is_tried_again()
    {
        Simulation.FailNext(SimulatedCall.Open, Errno.EBUSY, times: 2);

        Device.Tell(new DeviceProtocol.Open(), TestActor);

        ExpectLost(1, SessionFailure.OpenFailed);
        ExpectLost(2, SessionFailure.OpenFailed);
        ExpectReady(3);
    }

    [Theory]
    [InlineData(SimulatedCall.Map)]
    [InlineData(SimulatedCall.Arm)]
    public void A_restart_that_fails_half_way_leaves_nothing_behind_and_is_tried_again(SimulatedCall call)
    {
        Open();
        OpenVectors(4);
        CreateRegion();
        Simulation.FailNext(call, Errno.ENOSPC);

        Simulation.ReportError();

        ExpectLost(1, SessionFailure.DeviceError);
        ExpectLost(2, SessionFailure.OpenFailed);
        ExpectReady(3);
        Assert.Equal(1, Simulation.OpenSessions);
        Assert.Equal(4, Simulation.ArmedVectors.Count);
        Assert.Single(Simulation.Mappings);
    }

    [Fact]
    public void A_device_that_always_fails_is_quarantined_with_its_cause_and_its_sibling_never_notices()
    {
        Runtime.Backend<SimulationBackend>().Add("sibling", new PonyOptions());
        var sibling = CreateTestProbe();
        IActorRef other = ActorRefs.Nobody;
        AwaitAssert(() => other = Runtime.FindAsync(DeviceId.Parse("sim:sibling")).GetAwaiter().GetResult());
        other.Tell(new DeviceProtocol.Open(), sibling.Ref);
        sibling.ExpectMsg<DeviceProtocol.SessionReady>();
        Simulation.FailNext(SimulatedCall.Open, Errno.EIO, times: 1000);

        Device.Tell(new DeviceProtocol.Open(), TestActor);

        for (int epoch = 1; epoch <= 6; epoch++)
            ExpectLost(epoch, SessionFailure.OpenFailed);
        var quarantined = ExpectMsg<DeviceProtocol.Quarantined>();
        Assert.Contains("EIO", quarantined.Why, StringComparison.Ordinal);
        Assert.Contains("budget of 5", quarantined.Why, StringComparison.Ordinal);
        Assert.Equal(DevicePhase.Quarantined, Describe().State);
        Assert.Contains("Resume", Ask<Refused>(new DeviceProtocol.ReadBar(2, 0, 4)).Fix, StringComparison.Ordinal);
        Assert.False(sibling.HasMessages);
    }

    [Fact]
    public void Resume_opens_a_quarantined_device_again()
    {
        Simulation.FailNext(SimulatedCall.Open, Errno.EIO, times: 6);
        Device.Tell(new DeviceProtocol.Open(), TestActor);
        FishForMessage(m => m is DeviceProtocol.Quarantined);

        Device.Tell(new DeviceProtocol.Resume(), TestActor);

        ExpectReady(7);
    }

    [Fact]
    public void Resume_of_a_device_that_runs_is_refused()
    {
        Open();
        Assert.Equal(Errno.EINVAL, Ask<Refused>(new DeviceProtocol.Resume()).Errno);
    }

    [Fact]
    public void A_device_that_is_asked_back_is_given_back_and_taken_up_when_it_returns()
    {
        Open();
        OpenVectors(2);

        Simulation.RequestRemoval();

        ExpectLost(1, SessionFailure.RemovalRequested);
        AwaitAssert(() => Assert.Equal(DevicePhase.Absent, Describe().State));
        Assert.Equal(0, Simulation.OpenSessions);
        Simulation.SurpriseRemove();
        Simulation.Replug();
        ExpectReady(2);
        Assert.Equal([0, 1], Simulation.ArmedVectors);
    }

    [Fact]
    public void A_device_that_is_pulled_out_is_taken_up_when_it_is_back()
    {
        Open();
        CreateRegion();

        Simulation.SurpriseRemove();

        ExpectLost(1, SessionFailure.SurpriseRemoval);
        AwaitAssert(() => Assert.Equal(DevicePhase.Absent, Describe().State));
        var lost = Ask<DeviceProtocol.SessionLost>(new DeviceProtocol.ReadBar(2, 0, 4));
        Assert.NotNull(lost.Command);
        Simulation.Replug();
        ExpectReady(2);
        Assert.Single(Simulation.Mappings);
    }

    [Fact]
    public void A_call_that_fails_for_good_ends_the_session_and_is_answered()
    {
        Open();
        Simulation.FailNext(SimulatedCall.Reset, Errno.EIO, failure: SessionFailure.CallFailed);

        Device.Tell(new DeviceProtocol.Reset(), TestActor);

        object[] told = [ExpectMsg<DeviceProtocol.SessionLost>(), ExpectMsg<DeviceProtocol.SessionLost>()];
        Assert.Contains(told, m => ((DeviceProtocol.SessionLost)m).Command is DeviceProtocol.Reset);
        Assert.Contains(told, m => ((DeviceProtocol.SessionLost)m).Command is null);
        ExpectReady(2);
    }

    [Fact]
    public void A_crash_of_the_session_restarts_it_and_answers_what_stood_behind_it()
    {
        Open();
        Simulation.AnswerRegister(0, 0x10, () => throw new InvalidOperationException("a bug"));

        Device.Tell(new DeviceProtocol.ReadBar(0, 0x10, 4), TestActor);
        Device.Tell(new DeviceProtocol.ReadBar(2, 0, 4), TestActor);

        var answered = new List<DeviceProtocol.SessionLost>();
        while (answered.Count < 3)
            answered.Add(ExpectMsg<DeviceProtocol.SessionLost>());
        Assert.All(answered, lost => Assert.Equal(SessionFailure.Crash, lost.Failure));
        Assert.Equal(2, answered.Count(lost => lost.Command is DeviceProtocol.ReadBar));
        ExpectReady(2);
        Assert.Equal(1, Simulation.OpenSessions);
    }

    [Fact]
    public void A_session_whose_actor_is_stopped_from_outside_is_begun_anew_and_what_it_was_asked_is_answered()
    {
        Open();
        CreateRegion();
        using ManualResetEventSlim stopped = new();
        Simulation.AnswerRegister(0, 0x10, () => stopped.Wait(TimeSpan.FromSeconds(20)) ? 1UL : 0);
        Sys.ActorSelection(Device.Path / "session-1").Tell(new Identify("session"), TestActor);
        var session = ExpectMsg<ActorIdentity>().Subject;
        Device.Tell(new DeviceProtocol.ReadBar(0, 0x10, 4), TestActor);
        Describe(); // the read is with the session
        session.Tell(PoisonPill.Instance);
        Device.Tell(new DeviceProtocol.ReadConfig(0, 4), TestActor);
        Describe();

        stopped.Set();

        Assert.Equal(1UL, ExpectMsg<DeviceProtocol.BarValue>().Value);
        Assert.Null(ExpectMsg<DeviceProtocol.SessionLost>().Command);
        Assert.IsType<DeviceProtocol.ReadConfig>(ExpectMsg<DeviceProtocol.SessionLost>().Command);
        ExpectReady(2);
        Assert.Single(Simulation.Mappings);
    }

    [Fact]
    public void A_region_that_ends_while_its_session_fails_is_given_up_with_it()
    {
        Open();
        var created = CreateRegion();
        using ManualResetEventSlim ended = new();
        Simulation.AnswerRegister(0, 0x10, () =>
        {
            ended.Wait(TimeSpan.FromSeconds(20));
            throw new InvalidOperationException("a bug");
        });
        Device.Tell(new DeviceProtocol.ReadBar(0, 0x10, 4), TestActor);

        Sys.Stop(created.Region);
        AwaitAssert(() => Assert.Equal(0UL, Describe().Counts.LockedBytes)); // its removal stands behind the read
        ended.Set();

        ExpectMsg<DeviceProtocol.SessionLost>();
        ExpectMsg<DeviceProtocol.SessionLost>();
        ExpectReady(2);
        Assert.Equal(0, Describe().Counts.DmaRegions);
        Assert.Empty(Simulation.Mappings);
    }

    [Fact]
    public void The_loss_of_a_session_restarts_its_group_and_nobody_else()
    {
        Runtime.Backend<SimulationBackend>().Add("twin-a", new PonyOptions { Group = "7" });
        Runtime.Backend<SimulationBackend>().Add("twin-b", new PonyOptions { Group = "7" });
        Open();
        var (first, second) = (OpenOther("twin-a"), OpenOther("twin-b"));

        Runtime.Backend<SimulationBackend>().Device("twin-a").ReportError();

        Assert.Equal(SessionFailure.DeviceError, first.ExpectMsg<DeviceProtocol.SessionLost>().Failure);
        var lost = second.ExpectMsg<DeviceProtocol.SessionLost>();
        Assert.Equal(SessionFailure.GroupLost, lost.Failure);
        Assert.Contains("sim:twin-a", lost.Why, StringComparison.Ordinal);
        Assert.Equal(2, first.ExpectMsg<DeviceProtocol.SessionReady>().Epoch);
        Assert.Equal(2, second.ExpectMsg<DeviceProtocol.SessionReady>().Epoch);
        Assert.Equal(1, Describe().Epoch);
        Assert.False(first.HasMessages || second.HasMessages);
    }

    [Fact]
    public void Functions_of_a_group_share_one_address_space()
    {
        Runtime.Backend<SimulationBackend>().Add("twin-a", new PonyOptions { Group = "7" });
        Runtime.Backend<SimulationBackend>().Add("twin-b", new PonyOptions { Group = "7" });
        var (first, second) = (OpenOther("twin-a"), OpenOther("twin-b"));
        first.LastSender.Tell(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(4096), 0x10_0000)), first.Ref);
        first.ExpectMsg<DeviceProtocol.DmaRegionCreated>();
        second.LastSender.Tell(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(4096), 0x10_0000)), second.Ref);
        Assert.Equal(Errno.EEXIST, second.ExpectMsg<Refused>().Errno);
    }

    private TestProbe OpenOther(string name)
    {
        var probe = CreateTestProbe();
        IActorRef device = ActorRefs.Nobody;
        AwaitAssert(() => device = Runtime.FindAsync(DeviceId.Parse($"sim:{name}")).GetAwaiter().GetResult());
        device.Tell(new DeviceProtocol.Open(), probe.Ref);
        probe.ExpectMsg<DeviceProtocol.SessionReady>();
        return probe;
    }

    private DeviceProtocol.DmaRegionCreated CreateRegion() =>
        Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(8192))));

    private void ExpectLost(long epoch, SessionFailure failure)
    {
        var lost = ExpectMsg<DeviceProtocol.SessionLost>();
        Assert.Equal((epoch, failure), (lost.Epoch, lost.Failure));
    }

    private void ExpectReady(long epoch) => Assert.Equal(epoch, ExpectMsg<DeviceProtocol.SessionReady>().Epoch);
}

/// <summary>Hangs, with limits that are short, and longer than a busy machine takes for what does not hang.</summary>
public sealed class HangSpecs(ITestOutputHelper output)
    : DeviceSpec(output, "riser.device { heartbeat { interval = 20ms, timeout = 1s }\n open-timeout = 1s, end-timeout = 1s }")
{
    [Fact]
    public void A_session_that_hangs_is_quarantined_its_commands_are_answered_and_its_memory_is_kept()
    {
        Open();
        var region = Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(4096))));
        region.Memory.Span(0, 1)[0] = 7;
        Simulation.Freeze();
        Device.Tell(new DeviceProtocol.Reset(), TestActor);

        var told = new List<object> { ExpectMsg<object>(), ExpectMsg<object>(), ExpectMsg<object>() };

        Assert.Equal(SessionFailure.Hang, told.OfType<DeviceProtocol.Quarantined>().Single().Failure);
        Assert.Contains(told.OfType<DeviceProtocol.SessionLost>(), lost => lost.Command is DeviceProtocol.Reset);
        Assert.Equal(Errno.EBUSY, Ask<Refused>(new DeviceProtocol.Resume()).Errno);
        region.Region.Tell(new DmaProtocol.Release(), TestActor);
        Assert.Equal(Errno.EBUSY, ExpectMsg<Refused>().Errno);
        Ask<DeviceProtocol.Closed>(new DeviceProtocol.Close());
        Assert.Equal(Errno.EBUSY, Ask<Refused>(new DeviceProtocol.Open()).Errno);
        Assert.Equal(7, region.Memory.Span(0, 1)[0]); // the hanging session may still reach it

        Simulation.Thaw();
        AwaitAssert(() => Assert.Equal(0, Simulation.OpenSessions));
        AwaitAssert(() => Assert.Equal(0, region.Memory.Span(0, 1)[0]));
    }

    [Fact]
    public void Memory_that_goes_away_while_a_session_hangs_is_told_and_not_mapped_in_the_next_one()
    {
        Open();
        using var foreign = MemoryMapping.Create(4096, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS);
        var kept = CreateRegion(DmaMemory.Allocate(4096));
        var created = CreateRegion(DmaMemory.FromRange(new((ulong)foreign.Address, 4096)));
        var watcher = CreateTestProbe();
        created.Region.Tell(new DmaProtocol.Watch(), watcher.Ref);
        watcher.ExpectMsg<DmaProtocol.Description>();
        Hang();

        foreign.Blank(); // unmapped, and something else is mapped there
        object[] commands = [new DmaProtocol.Release(), new DmaProtocol.Unmap(), new DmaProtocol.AddPieces([new(DmaMemory.Allocate(4096))])];
        foreach (object command in commands)
        {
            created.Region.Tell(command, TestActor);
            var refused = ExpectMsg<Refused>();
            Assert.True(refused.Errno is Errno.EBUSY or Errno.EAGAIN, $"{command}: {refused}");
        }
        Simulation.Thaw();

        var gone = (DmaProtocol.Invalidated)watcher.FishForMessage(m => m is DmaProtocol.Invalidated);
        Assert.Equal((created.Range, InvalidationCause.Unmapped), (gone.Range, gone.Cause));
        Resume();
        Assert.Equal(kept.Range, Assert.Single(Simulation.Mappings).Range);
    }

    [Fact]
    public void A_region_that_ends_while_its_session_hangs_is_given_up_when_that_has_returned()
    {
        Open();
        var created = CreateRegion(DmaMemory.Allocate(4096));
        created.Memory.Span(0, 1)[0] = 7;
        Hang();

        Sys.Stop(created.Region);
        AwaitAssert(() => Assert.Equal(0UL, Describe().Counts.LockedBytes));
        Assert.Equal((1, 7), (Describe().Counts.DmaRegions, created.Memory.Span(0, 1)[0])); // the hanging session may still reach it
        Simulation.Thaw();

        AwaitAssert(() => Assert.Equal(0, Describe().Counts.DmaRegions));
        AwaitAssert(() => Assert.Equal(0, created.Memory.Span(0, 1)[0]));
    }

    [Fact]
    public void An_open_that_hangs_is_quarantined_and_can_be_resumed_once_it_returns()
    {
        Simulation.Freeze();
        Device.Tell(new DeviceProtocol.Open(), TestActor);
        Assert.Equal(SessionFailure.Hang, ((DeviceProtocol.Quarantined)FishForMessage(m => m is DeviceProtocol.Quarantined)).Failure);

        Simulation.Thaw();
        Resume();
        Assert.Equal(1, Simulation.OpenSessions);
    }

    private DeviceProtocol.DmaRegionCreated CreateRegion(DmaMemory memory) =>
        Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(memory)));

    private void Hang()
    {
        Simulation.Freeze();
        Device.Tell(new DeviceProtocol.Reset(), TestActor);
        for (int told = 0; told < 3; told++) // SessionLost, Quarantined, and the answer
            ExpectMsg<object>();
    }

    private void Resume() => AwaitAssert(() =>
    {
        Device.Tell(new DeviceProtocol.Resume(), TestActor);
        Assert.IsType<DeviceProtocol.SessionReady>(ExpectMsg<object>());
    });
}
