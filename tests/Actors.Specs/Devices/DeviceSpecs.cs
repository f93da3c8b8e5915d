using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Devices;

public sealed class DeviceSpecs(ITestOutputHelper output) : DeviceSpec(output)
{
    [Fact]
    public void Device_opens_a_session_for_its_owner_and_closes_it()
    {
        var ready = Open();

        Assert.Equal(1, ready.Epoch);
        Assert.Equal(64, ready.Info.Vectors.Single(v => v.Kind == VectorKind.MsiX).Count);
        Assert.True(Simulation.IsBusMaster);
        Assert.Equal(DevicePhase.Ready, Describe().State);

        Ask<DeviceProtocol.Closed>(new DeviceProtocol.Close());
        Assert.Equal(0, Simulation.OpenSessions);
        Assert.Equal(DevicePhase.Closed, Describe().State);
    }

    [Fact]
    public void A_command_that_follows_open_at_once_is_carried_out_after_it()
    {
        for (int round = 1; round <= 200; round++)
        {
            Device.Tell(new DeviceProtocol.Open(), TestActor);
            Device.Tell(new DeviceProtocol.ReadConfig(0, 2), TestActor);

            Assert.Equal(round, ExpectMsg<DeviceProtocol.SessionReady>().Epoch);
            ExpectMsg<DeviceProtocol.ConfigValue>();
            Ask<DeviceProtocol.Closed>(new DeviceProtocol.Close());
        }
    }

    [Fact]
    public void Device_refuses_a_second_owner_and_names_the_first()
    {
        Open();
        var second = CreateTestProbe();

        Device.Tell(new DeviceProtocol.Open(), second.Ref);

        var refused = second.ExpectMsg<Refused>();
        Assert.Equal(Errno.EBUSY, refused.Errno);
        Assert.Contains(TestActor.Path.Name, refused.Why, StringComparison.Ordinal);
        Assert.Contains("TakeOver", refused.Fix, StringComparison.Ordinal);
    }

    [Fact]
    public void Device_answers_an_owner_that_opens_twice()
    {
        Open();
        Assert.Equal(1, Open().Epoch);
    }

    [Fact]
    public void Take_over_revokes_the_first_owner_and_keeps_the_session()
    {
        Open();
        var bar = Ask<DeviceProtocol.BarOpened>(new DeviceProtocol.OpenBar(2)).Bar;
        bar.Write32(0, 42);
        var second = CreateTestProbe();

        Device.Tell(new DeviceProtocol.TakeOver(), second.Ref);

        Assert.Equal(1, second.ExpectMsg<DeviceProtocol.SessionReady>().Epoch);
        Assert.Equal(second.Ref, ExpectMsg<DeviceProtocol.Revoked>().By);
        Device.Tell(new DeviceProtocol.OpenBar(2), second.Ref);
        Assert.Equal(42u, second.ExpectMsg<DeviceProtocol.BarOpened>().Bar.Read32(0));
        Assert.Equal(Errno.ENODEV, Assert.Throws<PciException>(() => bar.Read32(0)).Errno);
        Assert.Equal(Errno.ENODEV, Assert.Throws<PciException>(() => bar.Write32(0, 1)).Errno);
        Assert.Equal(1, Simulation.OpenSessions);
    }

    [Fact]
    public void Device_closes_when_its_owner_dies()
    {
        var owner = CreateTestProbe();
        Device.Tell(new DeviceProtocol.Open(), owner.Ref);
        owner.ExpectMsg<DeviceProtocol.SessionReady>();
        Ask<DeviceProtocol.Description>(new DeviceProtocol.Watch());

        Sys.Stop(owner.Ref);

        ExpectMsg<DeviceProtocol.Closed>();
        Assert.Equal(0, Simulation.OpenSessions);
        Assert.False(Simulation.IsBusMaster);
    }

    [Fact]
    public void Device_refuses_to_be_closed_by_another_than_its_owner()
    {
        Open();
        var other = CreateTestProbe();

        Device.Tell(new DeviceProtocol.Close(), other.Ref);

        Assert.Equal(Errno.EPERM, other.ExpectMsg<Refused>().Errno);
        Assert.Equal(DevicePhase.Ready, Describe().State);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    public void Registers_are_read_and_written_by_message_in_every_width(int width)
    {
        Open();
        ulong value = 0x8877665544332211 & (ulong.MaxValue >> (64 - (8 * width)));

        Ask<DeviceProtocol.BarWritten>(new DeviceProtocol.WriteBar(2, 64, width, value));

        Assert.Equal(value, Ask<DeviceProtocol.BarValue>(new DeviceProtocol.ReadBar(2, 64, width)).Value);
    }

    [Theory]
    [InlineData(2, 1, 4, Errno.EINVAL)]
    [InlineData(2, 0x10000, 4, Errno.EFAULT)]
    [InlineData(2, 0xfffe, 4, Errno.EINVAL)]
    [InlineData(2, ulong.MaxValue - 3, 4, Errno.EFAULT)]
    [InlineData(2, 0, 3, Errno.EINVAL)]
    [InlineData(5, 0, 4, Errno.EINVAL)]
    [InlineData(-1, 0, 4, Errno.EINVAL)]
    public void Register_access_that_does_not_fit_is_refused(int bar, ulong offset, int width, Errno errno)
    {
        Open();
        var read = new DeviceProtocol.ReadBar(bar, offset, width);

        var refused = Ask<Refused>(read);

        Assert.Equal(errno, refused.Errno);
        Assert.Equal(read, refused.Command);
        Assert.NotEmpty(refused.Fix);
        Assert.Equal(errno, Ask<Refused>(new DeviceProtocol.WriteBar(bar, offset, width, 1)).Errno);
        Assert.Equal(DevicePhase.Ready, Describe().State);
    }

    [Fact]
    public void Configuration_space_is_read_by_message()
    {
        Open();
        ulong id = Ask<DeviceProtocol.ConfigValue>(new DeviceProtocol.ReadConfig(0, 4)).Value;

        Assert.Equal(Describe().Device.VendorId, (ushort)id);
        Assert.Equal(Errno.EFAULT, Ask<Refused>(new DeviceProtocol.ReadConfig(4096, 4)).Errno);
        Assert.Equal(Errno.EINVAL, Ask<Refused>(new DeviceProtocol.ReadConfig(1, 2)).Errno);
    }

    [Fact]
    public void Commands_to_a_closed_device_are_refused()
    {
        object[] commands = [new DeviceProtocol.ReadBar(0, 0, 4), new DeviceProtocol.OpenVectors(), new DeviceProtocol.Reset(), new DeviceProtocol.ReadConfig(0, 4)];
        foreach (object command in commands)
        {
            var refused = Ask<Refused>(command);
            Assert.Equal(Errno.ENODEV, refused.Errno);
            Assert.Equal(command, refused.Command);
            Assert.Contains("Open", refused.Fix, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Only_the_owner_gets_a_register_accessor()
    {
        Open();
        var other = CreateTestProbe();

        Device.Tell(new DeviceProtocol.OpenBar(2), other.Ref);

        Assert.Equal(Errno.EPERM, other.ExpectMsg<Refused>().Errno);
    }

    [Fact]
    public void Reset_keeps_the_session()
    {
        Open();
        Ask<DeviceProtocol.ResetDone>(new DeviceProtocol.Reset());
        Assert.Equal(1, Describe().Epoch);
        Assert.Equal(1, Simulation.OpenSessions);
    }

    [Fact]
    public void A_refused_reset_changes_nothing()
    {
        Open();
        Simulation.FailNext(SimulatedCall.Reset, Errno.EBUSY);

        Assert.Equal(Errno.EBUSY, Ask<Refused>(new DeviceProtocol.Reset()).Errno);
        Assert.Equal(DevicePhase.Ready, Describe().State);
    }

    [Fact]
    public void A_watcher_hears_of_every_session_until_it_stops_watching()
    {
        var watcher = CreateTestProbe();
        Device.Tell(new DeviceProtocol.Watch(), watcher.Ref);
        Assert.Equal(DevicePhase.Closed, watcher.ExpectMsg<DeviceProtocol.Description>().State);

        Open();
        watcher.ExpectMsg<DeviceProtocol.SessionReady>();
        Device.Tell(new DeviceProtocol.Unwatch(), watcher.Ref);
        watcher.ExpectMsg<DeviceProtocol.Unwatched>();
        Ask<DeviceProtocol.Closed>(new DeviceProtocol.Close());
        Describe();
        Assert.False(watcher.HasMessages);
    }

    [Fact]
    public void An_unknown_message_is_not_swallowed()
    {
        Sys.EventStream.Subscribe(TestActor, typeof(Akka.Event.UnhandledMessage));
        Device.Tell("what?", TestActor);
        Assert.Equal("what?", ExpectMsg<Akka.Event.UnhandledMessage>().Message);
    }
}
