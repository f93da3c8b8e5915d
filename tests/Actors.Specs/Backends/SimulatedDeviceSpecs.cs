using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends;

/// <summary>The hand on a device: what a scenario test can do to it.</summary>
public sealed class SimulatedDeviceSpecs : SimulationSpec
{
    [Fact]
    public void Raise_signals_the_vector_as_often_as_asked()
    {
        var eventFds = Arm(Open(), 2);

        Assert.Equal(5, Pony.Raise(1, 5));
        Assert.Equal(0, Pony.Raise(2));

        Assert.Equal(5, eventFds[1].Read());
        Assert.Equal(5, Pony.Triggered(1));
    }

    [Fact]
    public void Triggered_goes_on_over_sessions_and_replugging()
    {
        for (int i = 1; i <= 3; i++)
        {
            using var session = Backend.Open(Pony.Id);
            Arm(session, 1);
            Pony.Raise(0, 2);
            Assert.Equal(2 * i, Pony.Triggered(0));
        }

        Pony.SurpriseRemove();
        Pony.Replug();
        Arm(Open(), 1);
        Pony.Raise(0);
        Assert.Equal(7, Pony.TriggeredTotal);
    }

    [Fact]
    public void Mask_holds_back_what_the_device_raises()
    {
        var session = Open();
        var eventFd = Arm(session, 1)[0];
        session.Mask(VectorKind.MsiX, 0, true);

        Assert.Equal(0, Pony.Raise(0, 7));
        session.Mask(VectorKind.MsiX, 0, false);

        Assert.Equal(1, eventFd.Read());
        Assert.Equal(1, Pony.Triggered(0));
    }

    [Fact]
    public void Intx_is_held_back_by_the_command_register()
    {
        var session = Open();
        var eventFd = Arm(session, 1, VectorKind.IntX)[0];
        session.WriteConfig(4, 2, session.ReadConfig(4, 2) | 0x400);

        Assert.Equal(0, Pony.Raise(0));
        session.WriteConfig(4, 2, session.ReadConfig(4, 2) & ~0x400UL);

        Assert.Equal(1, eventFd.Read());
        Assert.Equal(0, Pony.Raise(0)); // masked by itself until unmasked
        session.Mask(VectorKind.IntX, 0, false);
        Assert.Equal(1, eventFd.Read());
    }

    [Fact]
    public void Fail_next_fails_as_often_as_asked_and_changes_nothing()
    {
        Pony.FailNext(SimulatedCall.Open, Errno.EACCES, times: 2);
        Refused(Errno.EACCES, () => Backend.Open(Pony.Id));
        Refused(Errno.EACCES, () => Backend.Open(Pony.Id));
        var session = Open();

        var memory = Memory(1);
        Pony.FailNext(SimulatedCall.Map, Errno.EIO, failure: SessionFailure.CallFailed);
        Assert.Equal(SessionFailure.CallFailed, Refused(Errno.EIO, () => session.Map([memory.At(0x1000)])).Failure);
        Assert.Empty(Pony.Mappings);
        session.Map([memory.At(0x1000)]);
        Assert.Single(Pony.Mappings);
    }

    [Fact]
    public void Every_call_can_be_failed()
    {
        var session = Open();
        Arm(session, 1);
        var memory = Memory(1);
        session.Map([memory.At(0x1000)]);
        Dictionary<SimulatedCall, Action> calls = new()
        {
            [SimulatedCall.ReadConfig] = () => session.ReadConfig(0, 4),
            [SimulatedCall.WriteConfig] = () => session.WriteConfig(0, 4, 0),
            [SimulatedCall.ReadBar] = () => session.Bar(0).Read32(0),
            [SimulatedCall.WriteBar] = () => session.Bar(0).Write32(0, 0),
            [SimulatedCall.Map] = () => session.Map([memory.At(0x2000)]),
            [SimulatedCall.Unmap] = () => session.Unmap(new(0x1000, 4096)),
            [SimulatedCall.Arm] = () => session.Arm(VectorKind.MsiX, 1, [null]),
            [SimulatedCall.Mask] = () => session.Mask(VectorKind.MsiX, 0, true),
            [SimulatedCall.Trigger] = () => session.Trigger(VectorKind.MsiX, 0, 1),
            [SimulatedCall.SetBusMaster] = () => session.SetBusMaster(false),
            [SimulatedCall.Reset] = () => session.Reset(),
            [SimulatedCall.Disarm] = () => session.Disarm(VectorKind.MsiX),
            [SimulatedCall.Open] = () => Backend.Open(Pony.Id),
        };

        Assert.Equal(Enum.GetValues<SimulatedCall>().Except([SimulatedCall.Close]).Order(), calls.Keys.Order());
        foreach (var (call, action) in calls)
        {
            Pony.FailNext(call, Errno.EIO);
            Refused(Errno.EIO, action);
        }

        Assert.True(Pony.IsBusMaster);
        Assert.Equal([0], Pony.ArmedVectors);
        Assert.Single(Pony.Mappings);
        Assert.Equal(0, Pony.TriggeredTotal);
    }

    [Fact]
    public void Answer_register_overrides_the_model_until_taken_back()
    {
        var bar = Open().Bar(0);
        Pony.AnswerRegister(0, PonyRegisters.Status, 0xdead_beef_1234);
        Assert.Equal(0xbeef1234u, bar.Read32(PonyRegisters.Status));
        uint asked = 0;
        Pony.AnswerRegister(0, PonyRegisters.Status, () => ++asked);
        Assert.Equal(1u, bar.Read32(PonyRegisters.Status));
        Assert.Equal(2u, bar.Read32(PonyRegisters.Status));
        Pony.AnswerRegister(0, PonyRegisters.Status, null);
        Assert.Equal(0u, bar.Read32(PonyRegisters.Status));
    }

    [Fact]
    public void Answer_register_writes_shared_memory()
    {
        var bar = Open().Bar(2);

        Pony.AnswerRegister(2, 8, 77);

        Assert.Equal(77u, bar.Read32(8));
        Assert.Throws<ArgumentException>(() => Pony.AnswerRegister(2, 8, () => 1));
    }

    [Fact]
    public async Task Freeze_hangs_every_call_until_thawed()
    {
        var session = Open();
        Pony.Freeze();
        var hung = Task.Run(() => session.ReadConfig(0, 2));
        var ending = Task.Run(session.Dispose);

        Assert.NotSame(hung, await Task.WhenAny(hung, Task.Delay(20)));
        Pony.Thaw();

        await ending;
        await Record.ExceptionAsync(() => hung); // it came before or after the end
        Assert.Equal(0, Pony.OpenSessions);
    }

    [Fact]
    public void Backend_ends_what_is_frozen_when_disposed()
    {
        var session = Open();
        Pony.Freeze();

        Backend.Dispose();

        Refused(Errno.ENODEV, () => session.ReadConfig(0, 2));
    }

    [Fact]
    public void Surprise_removal_gives_ones_and_enodev_and_watchers_hear()
    {
        List<DeviceChange> changes = [];
        using var watch = Backend.Watch(changes.Add);
        var session = Open();
        var eventFd = Arm(session, 1)[0];
        var bar = session.Bar(0);

        Pony.SurpriseRemove();

        Assert.Equal(new DeviceChange.Removed(Pony.Id), Assert.Single(changes));
        Assert.Empty(Backend.Discover());
        Assert.Equal(ulong.MaxValue, session.ReadConfig(0, 8));
        Assert.Equal(uint.MaxValue, bar.Read32(0));
        Assert.Equal(SessionFailure.SurpriseRemoval, Refused(Errno.ENODEV, () => session.Reset()).Failure);
        Assert.Equal(0, Pony.Raise(0));
        Assert.Equal(0, eventFd.Read());
        Refused(Errno.ENODEV, () => Backend.Open(Pony.Id));

        Pony.Replug();
        Assert.IsType<DeviceChange.Added>(changes[1]);
        using var next = Backend.Open(Pony.Id); // though the old handle is still held
        Refused(Errno.ENODEV, () => session.Reset());
        session.Dispose();
        Assert.Equal(1, Pony.OpenSessions);
        Assert.Equal(0u, next.Bar(2).Read32(0));
    }

    [Fact]
    public void Shared_registers_read_ones_when_removed()
    {
        var bar = Open().Bar(2);
        bar.Write32(4096, 5);

        Pony.SurpriseRemove();

        Assert.Equal(uint.MaxValue, bar.Read32(4096));
    }

    [Fact]
    public void Notices_reach_their_eventfds()
    {
        var session = Open();
        using var error = EventFdHandle.Create();
        using var removal = EventFdHandle.Create();
        session.Connect(SessionNotice.DeviceError, error);
        session.Connect(SessionNotice.RemovalRequested, removal);

        Pony.ReportError();
        Pony.ReportError();
        Pony.RequestRemoval();

        Assert.Equal(2, error.Read());
        Assert.Equal(1, removal.Read());
        session.Connect(SessionNotice.DeviceError, null);
        Pony.ReportError();
        Assert.Equal(0, error.Read());
    }

    [Fact]
    public void Session_ends_in_order_whatever_is_scripted()
    {
        var session = Open();
        Arm(session, 4);
        session.Map([Memory(1).At(0x1000)]);
        Pony.FailNext(SimulatedCall.Reset, Errno.EIO);
        Pony.FailNext(SimulatedCall.Disarm, Errno.EIO);

        session.Dispose();

        Assert.Equal(
            [SimulatedCall.Open, SimulatedCall.Arm, SimulatedCall.Map, SimulatedCall.SetBusMaster, SimulatedCall.Reset, SimulatedCall.Disarm, SimulatedCall.Unmap, SimulatedCall.Close],
            Pony.History);
        Assert.False(Pony.IsBusMaster);
        Assert.Empty(Pony.ArmedVectors);
        Assert.Empty(Pony.Mappings);
        Assert.Equal(0UL, Backend.Locked.Used);
    }

    [Fact]
    public void Devices_come_and_go_at_run_time()
    {
        List<DeviceChange> changes = [];
        var watch = Backend.Watch(changes.Add);

        var added = Backend.Add("pony7", new PonyOptions { Vectors = 2048 });
        Assert.Equal(["sim:pony0", "sim:pony7"], Backend.Discover().Select(d => d.Id.ToString()));
        Arm(Own(Backend.Open(added.Id)), 2048);
        Assert.Equal(2048, added.ArmedVectors.Count);
        Assert.True(Backend.Remove("pony7"));
        Assert.False(Backend.Remove("pony7"));
        watch.Dispose();
        Backend.Add("pony8", new PonyOptions());

        Assert.Equal([new DeviceChange.Added(changes is [DeviceChange.Added a, ..] ? a.Device : null!), new DeviceChange.Removed(added.Id)], changes);
        Assert.Throws<ArgumentException>(() => Backend.Add("pony0", new PonyOptions()));
        Assert.Throws<ArgumentException>(() => Backend.Add("a:b", new PonyOptions()));
        Assert.Contains("pony8", Assert.Throws<KeyNotFoundException>(() => Backend.Device("none")).Message);
    }

    [Fact]
    public void Corruption_flips_one_bit_of_the_next_transfer()
    {
        var session = Open();
        var done = Arm(session, 1)[0];
        var memory = Memory(1);
        session.Map([memory.At(0x1000)]);
        Pony.CorruptNextDma();

        foreach (bool right in (bool[])[false, true])
        {
            var bar = session.Bar(0);
            bar.Write64(PonyRegisters.Destination, 0x1000);
            bar.Write64(PonyRegisters.Length, 4096);
            bar.Write32(PonyRegisters.CompletionVector, 0);
            bar.Write32(PonyRegisters.Command, (uint)PonyCommand.Fill);
            Await(done);
            Assert.Equal(right, PonyPattern.Matches(memory.Bytes, 0));
        }
    }
}
