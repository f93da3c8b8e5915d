using System.Diagnostics;
using System.Threading.Channels;
using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Vfio;
using Riser.Actors.Interop;
using Riser.Actors.Specs.Backends;

namespace Riser.Lab.Specs;

/// <summary>Resets, notices, crashes and removal.</summary>
public sealed class RecoverySpecs
{
    private const int BusMaster = 4;

    [SkippableFact]
    public void Reset_restores_registers_and_keeps_mappings_and_vectors()
    {
        const ulong ReceiveAddressLow = 0x5400; // 82576 datasheet, 8.10.12

        using var session = Lab.Backend().Open(Lab.Device("IGB"));
        using var memory = new TestMemory(4096);
        using var eventFd = EventFdHandle.Create();
        var piece = memory.At(0x100000);
        session.Map([piece]);
        session.Arm(VectorKind.MsiX, 0, [eventFd]);
        var bar = session.Bar(0);
        uint address = bar.Read32(ReceiveAddressLow);
        bar.Write32(ReceiveAddressLow, ~address);

        session.Reset();

        Assert.Equal(address, bar.Read32(ReceiveAddressLow));
        Assert.Equal(BusMaster, (int)session.ReadConfig(4, 2) & BusMaster);
        session.Trigger(VectorKind.MsiX, 0, 1);
        Assert.Equal(1, eventFd.Read());
        session.Unmap(piece.Range);
        session.Dispose();
    }

    [SkippableTheory]
    [InlineData("EDU")]
    [InlineData("NVME")]
    [InlineData("IGB")]
    [InlineData("IVSHMEM")]
    [InlineData("TESTDEV")]
    public void Notices_are_connected_and_disconnected(string name)
    {
        using var session = Lab.Backend().Open(Lab.Device(name));
        using var eventFd = EventFdHandle.Create();
        foreach (var notice in Enum.GetValues<SessionNotice>())
        {
            session.Connect(notice, eventFd);
            session.Connect(notice, eventFd);
            session.Connect(notice, null);
        }

        Assert.Equal(0, eventFd.Read());
    }

    [SkippableFact]
    public void Device_is_quiet_after_kill_9_and_opens_again()
    {
        string address = Lab.Address("EDU");
        var random = new Random(Soak.Specs.Soak.Seed);
        int kills = Soak.Specs.Soak.Length(full: 1000, brief: 3);
        var (quiets, reopened) = (new List<double>(), new List<double>());
        for (int round = 0; round < kills; round++)
        {
            using var holder = Lab.Start("hold", $"{Lab.Device("EDU")}");
            Assert.Equal("ready", holder.StandardOutput.ReadLine());
            Assert.Equal(BusMaster, Lab.Command(address) & BusMaster);

            if (random.Next(4) == 0)
                Assert.Equal(0, Mono.Unix.Native.Syscall.kill(holder.Id, Mono.Unix.Native.Signum.SIGSTOP)); // it could not clean up if it wanted to
            long killed = Stopwatch.GetTimestamp();
            holder.Kill(); // SIGKILL
            Assert.True(Lab.Until(() => (Lab.Command(address) & BusMaster) == 0));
            var quiet = Stopwatch.GetElapsedTime(killed);
            holder.WaitForExit();
            using var session = Lab.Backend().Open(Lab.Device("EDU"));
            Assert.Equal(0x010000edu, session.Bar(0).Read32(0));
            quiets.Add(quiet.TotalMilliseconds);
            reopened.Add(Stopwatch.GetElapsedTime(killed).TotalMilliseconds);
        }
        Lab.Tell($"a crash leaves the device quiet: {kills:N0} kills of a process that holds an armed device: bus mastering off after {P99(quiets):F0} ms, reopened after {P99(reopened):F0} ms (p99, in the emulated machine)");
    }

    [SkippableFact]
    public void Bus_mastering_is_off_once_a_session_has_ended()
    {
        Lab.Backend().Open(Lab.Device("EDU")).Dispose();

        Assert.Equal(0, Lab.Command(Lab.Address("EDU")) & BusMaster);
    }

    [SkippableFact]
    public void Functions_of_a_group_share_iovas_and_end_one_by_one()
    {
        string sibling = Lab.Address("SHARED_B");
        Lab.Bind(sibling, "vfio-pci");
        try
        {
            using var backend = Lab.Backend();
            using var a = new Edu(backend.Open(Lab.Device("SHARED_A")));
            using var b = new Edu(backend.Open(Lab.Device("SHARED_B")));
            using var memory = new TestMemory(2 * 4096);
            memory.Bytes[..4096].Fill(7);
            a.Session.Map([memory.At(0x100000)]);
            Assert.Equal(Errno.EEXIST, Assert.Throws<PciException>(() => b.Session.Map([memory.At(0x101000)])).Errno);
            Assert.Equal(Errno.ENOENT, Assert.Throws<PciException>(() => b.Session.Unmap(new(0x100000, 2 * 4096))).Errno);

            b.Copy(0x100000, Edu.Buffer, 4096, toRam: false); // through the mapping of its sibling
            a.Dispose();
            b.Session.Map([memory.At(0x100000)]);
            b.Copy(Edu.Buffer, 0x101000, 4096, toRam: true);

            Assert.False(memory.Bytes[4096..].ContainsAnyExcept((byte)7));
        }
        finally
        {
            Lab.Bind(sibling, "uio_pci_generic");
        }
    }

    [SkippableFact]
    public void Reset_takes_the_whole_bus_when_the_function_has_none_of_its_own()
    {
        string sibling = Lab.Address("SHARED_B");
        Lab.Bind(sibling, "vfio-pci");
        try
        {
            using var backend = Lab.Backend();
            using var a = new Edu(backend.Open(Lab.Device("SHARED_A")));
            using var b = new Edu(backend.Open(Lab.Device("SHARED_B")));
            Assert.True(a.Session.Info.CanReset);

            a.Session.Reset();

            foreach (var edu in (Edu[])[a, b])
            {
                Assert.Equal(0x010000edu, edu.Registers.Read32(0));
                edu.Registers.Write32(0x60, 1);
                Assert.Equal(1, Lab.Count(edu.Interrupts));
            }
        }
        finally
        {
            Lab.Bind(sibling, "uio_pci_generic");
        }
    }

    [SkippableFact]
    public async Task Unplugging_asks_for_the_device_and_plugging_brings_it_back()
    {
        string address = Lab.Address("TESTDEV");
        using var backend = Lab.Backend();
        var changes = Channel.CreateUnbounded<DeviceChange>();
        using var watch = backend.Watch(c => changes.Writer.TryWrite(c));
        using var requested = EventFdHandle.Create();
        var session = backend.Open(Lab.Device("TESTDEV"));
        session.Connect(SessionNotice.RemovalRequested, requested);

        Lab.Monitor("device_del lab-testdev");
        Assert.NotEqual(0, Lab.Count(requested, seconds: 40));
        session.Dispose();
        Assert.Equal(Lab.Device("TESTDEV"), Assert.IsType<DeviceChange.Removed>(await Next(changes)).Device);
        Assert.True(Lab.Until(() => !Directory.Exists($"/sys/bus/pci/devices/{address}")));
        Assert.Equal(Errno.ENODEV, Assert.Throws<PciException>(() => backend.Open(Lab.Device("TESTDEV"))).Errno);

        Assert.True(Lab.Until(() => Lab.Monitor("device_add pci-testdev,id=lab-testdev,bus=lab-slot5,addr=0.0").Length == 0));
        Assert.True(Lab.Until(() => Directory.Exists($"/sys/bus/pci/devices/{address}"), seconds: 40));
        Lab.Bind(address, "vfio-pci");
        Assert.Equal(Lab.Device("TESTDEV"), Assert.IsType<DeviceChange.Added>(await Next(changes)).Device.Id);
        backend.Open(Lab.Device("TESTDEV")).Dispose();
    }

    [SkippableFact]
    public async Task A_device_that_is_bound_anew_has_gone_and_come_also_for_one_that_looks_seldom()
    {
        string address = Lab.Address("TESTDEV");
        var changes = Channel.CreateUnbounded<DeviceChange>();
        using var backend = new VfioBackend(ConfigurationFactory.ParseString("hot-plug { source = poll, poll-interval = 5s }"));
        using var watch = backend.Watch(c => changes.Writer.TryWrite(c));

        Lab.Bind(address, "none");
        Lab.Bind(address, "vfio-pci");

        Assert.Equal(Lab.Device("TESTDEV"), Assert.IsType<DeviceChange.Removed>(await Next(changes)).Device);
        Assert.Equal(Lab.Device("TESTDEV"), Assert.IsType<DeviceChange.Added>(await Next(changes)).Device.Id);
        backend.Open(Lab.Device("TESTDEV")).Dispose();
    }

    private static double P99(List<double> times) => times.Order().ElementAt(times.Count * 99 / 100);

    private static async Task<DeviceChange> Next(Channel<DeviceChange> changes)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(40));
        return await changes.Reader.ReadAsync(limit.Token);
    }
}
