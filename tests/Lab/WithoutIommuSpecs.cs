using Akka.Actor;
using Akka.Configuration;
using Riser.Actors;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interop;
using Riser.Actors.Interrupts;
using Riser.Actors.Specs.Backends;
using Xunit.Abstractions;

namespace Riser.Lab.Specs;

/// <summary>The module's parameter for devices that reach all memory; off again at the end.</summary>
internal sealed class NoIommuAllowed : IDisposable
{
    private const string Parameter = "/sys/module/uio_pci_user/parameters/allow_noiommu";

    public NoIommuAllowed() => File.WriteAllText(Parameter, "1");

    public void Dispose() => File.WriteAllText(Parameter, "0");
}

public sealed class WithoutIommuFixture : BackendFixture
{
    private UioBinding? _binding; // from the first use of the backend on
    private NoIommuAllowed? _allowed;
    private IPciBackend? _backend;

    public override IPciBackend Backend
    {
        get
        {
            _binding ??= new("EDU", bare: true);
            _allowed ??= new();
            return _backend ??= Lab.UioBackend();
        }
    }

    public override DeviceId Device => Lab.UioDevice("EDU", bare: true);

    public override string? SkipReason => Lab.BareSkipReason;

    protected override void Dispose(bool disposing)
    {
        if (SkipReason is not null)
            return;
        base.Dispose(disposing);
        _allowed?.Dispose();
        _binding?.Dispose();
    }
}

/// <summary>The contract of bus addresses, on the kernel's.</summary>
public sealed class WithoutIommuContractSpecs(WithoutIommuFixture fixture) : BusAddressContract<WithoutIommuFixture>(fixture);

/// <summary>A device that nothing stands in front of, in the hands of one who may have it: DMA regions at bus addresses, moved by the device itself.</summary>
public sealed class WithoutIommuSpecs : Akka.TestKit.Xunit2.TestKit
{
    private const ulong Page = 4096, HugePage = 2 << 20;

    private static readonly Config s_config = ConfigurationFactory.ParseString("""
        akka.loglevel = WARNING
        akka.test.single-expect-default = 30s
        riser.backends.enabled = [uio]
        """);

    private IActorRef _device = ActorRefs.Nobody;

    public WithoutIommuSpecs(ITestOutputHelper output)
        : base(s_config, output: output)
    {
    }

    [SkippableTheory]
    [InlineData(DmaMemoryKind.Normal, Page)]
    [InlineData(DmaMemoryKind.Shared, Page)]
    [InlineData(DmaMemoryKind.HugeTlb, HugePage)]
    [InlineData(DmaMemoryKind.Buffer, Page)]
    [InlineData(DmaMemoryKind.Buffer, HugePage)]
    public void Bytes_go_to_the_device_and_back_at_the_address_that_the_region_has(DmaMemoryKind kind, ulong size)
    {
        using var binding = new UioBinding("EDU", bare: true);
        using var allowed = new NoIommuAllowed();
        Open();
        var memory = kind == DmaMemoryKind.Buffer
            ? Ask<DeviceProtocol.MemoryAllocated>(new DeviceProtocol.AllocateMemory(size, Huge: size == HugePage)).Memory
            : DmaMemory.Allocate(size, kind);
        var region = CreateRegion(memory);
        Subscribe();

        Assert.Equal(size, region.Range.Size);
        CheckCopies(memory, region.Range.Start);
        Assert.Equal(size, Ask<DeviceProtocol.Description>(new DeviceProtocol.Describe()).Counts.LockedBytes);
        CloseDevice();
    }

    [SkippableFact]
    public void Several_pieces_are_seen_each_at_its_own_address()
    {
        using var binding = new UioBinding("EDU", bare: true);
        using var allowed = new NoIommuAllowed();
        Open();
        var region = CreateRegion(DmaMemory.Allocate(Page)).Region;
        var memory = DmaMemory.Allocate(3 * Page);
        Subscribe();

        region.Tell(new DmaProtocol.AddPieces([.. Enumerable.Range(0, 3).Select(i => new DmaProtocol.Piece(memory, (ulong)i * Page, Page))]), TestActor);
        var ranges = FishForMessage<DmaProtocol.PiecesAdded>(_ => true).Ranges;

        for (int i = 0; i < 3; i++)
            memory.Span((ulong)i * Page, (int)Page).Fill((byte)(0x10 + i));
        var bar = Ask<DeviceProtocol.BarOpened>(new DeviceProtocol.OpenBar(0)).Bar;
        Copy(bar, ranges[2].Start, Edu.Buffer, toRam: false);
        Copy(bar, Edu.Buffer, ranges[0].Start, toRam: true);
        Assert.Equal([0x12, 0x11, 0x12], Enumerable.Range(0, 3).Select(i => (int)memory.Span((ulong)i * Page, 1)[0]));
        Assert.False(memory.Span(0, (int)Page).ContainsAnyExcept((byte)0x12));
        CloseDevice();
    }

    [SkippableFact]
    public void Pages_stay_pinned_when_their_memory_goes_away_and_the_next_session_has_the_new_ones()
    {
        using var binding = new UioBinding("EDU", bare: true);
        using var allowed = new NoIommuAllowed();
        ulong before = Memlock.Now().Locked;
        Open();
        var region = CreateRegion(DmaMemory.Allocate(Page));
        Subscribe();
        var watcher = CreateTestProbe();
        region.Region.Tell(new DmaProtocol.Watch(), watcher.Ref);
        watcher.ExpectMsg<DmaProtocol.Description>();
        CheckCopies(region.Memory, region.Range.Start);

        // The old page is the device's until the session ends; the program has another one by now, somewhere else.
        region.Memory.Span(0, (int)Page).Fill(0x33);
        var bar = Ask<DeviceProtocol.BarOpened>(new DeviceProtocol.OpenBar(0)).Bar;
        Copy(bar, region.Range.Start, Edu.Buffer, toRam: false);
        Assert.Equal(0, LibC.madvise((nint)region.Memory.Range.Address, (nuint)Page, LibC.MADV_DONTNEED));
        region.Memory.Span(0, (int)Page).Fill(0x44);
        Copy(bar, Edu.Buffer, region.Range.Start, toRam: true);
        Assert.False(region.Memory.Span(0, (int)Page).ContainsAnyExcept((byte)0x44)); // it went to the pinned page
        Assert.Equal(before + Page, Memlock.Now().Locked);

        Sys.ActorSelection($"{_device.Path}/session-1").Tell(Kill.Instance);
        watcher.ExpectMsg<DmaProtocol.SessionLost>();
        var mapped = watcher.ExpectMsg<DmaProtocol.Mapped>(); // and nothing of memory that went away

        Assert.Equal(2, mapped.Epoch);
        Assert.NotEqual(region.Range, Assert.Single(mapped.Ranges));
        FishForMessage<DeviceProtocol.SessionReady>(ready => ready.Epoch == 2);
        CheckCopies(region.Memory, mapped.Ranges[0].Start);
        Assert.Equal(before + Page, Memlock.Now().Locked);
        CloseDevice();
        Assert.True(Lab.Until(() => Memlock.Now().Locked == before));
    }

    [SkippableFact]
    public void A_region_is_unmapped_while_the_device_runs_and_mapped_again()
    {
        using var binding = new UioBinding("EDU", bare: true);
        using var allowed = new NoIommuAllowed();
        ulong before = Memlock.Now().Locked;
        Open();
        var region = CreateRegion(DmaMemory.Allocate(Page));
        Subscribe();

        region.Region.Tell(new DmaProtocol.Unmap(), TestActor);
        Assert.Equal([region.Range], FishForMessage<DmaProtocol.Unmapped>(_ => true).Ranges);
        Assert.True(Lab.Until(() => Memlock.Now().Locked == before));
        region.Region.Tell(new DmaProtocol.Map(), TestActor);
        CheckCopies(region.Memory, Assert.Single(FishForMessage<DmaProtocol.Mapped>(_ => true).Ranges).Start);
        region.Region.Tell(new DmaProtocol.Release(), TestActor);
        FishForMessage<DmaProtocol.Released>(_ => true);
        Assert.True(Lab.Until(() => Memlock.Now().Locked == before));
        CloseDevice();
    }

    [SkippableFact]
    public void What_cannot_be_is_refused_with_cause_and_fix_and_the_session_goes_on()
    {
        using var binding = new UioBinding("EDU", bare: true);
        using var allowed = new NoIommuAllowed();
        Open();
        using var memory = DmaMemory.Allocate(16 * Page);
        foreach (int i in Enumerable.Range(0, 16).OrderBy(i => i % 2)) // each second one first: the kernel may give them upwards or downwards in one run
            memory.Span((ulong)i * Page, 1)[0] = 1;
        using var foreign = new TestMemory(Page);

        var scattered = Ask<Refused>(new DeviceProtocol.CreateDmaRegion(new(memory)));
        Assert.Equal(Errno.EINVAL, scattered.Errno);
        Assert.Contains("one bus address", scattered.Why);
        Assert.Contains("HugeTlb", scattered.Fix);
        Assert.Equal(Errno.EOPNOTSUPP, Ask<Refused>(new DeviceProtocol.CreateDmaRegion(new(memory, Iova: 0x100000))).Errno);
        Assert.Equal(Errno.EOPNOTSUPP, Ask<Refused>(new DeviceProtocol.CreateDmaRegion(new(DmaMemory.FromRange(foreign.Range)))).Errno);

        var description = Ask<DeviceProtocol.Description>(new DeviceProtocol.Describe());
        Assert.Equal((1L, 0UL), (description.Epoch, description.Counts.LockedBytes));
        CloseDevice();
    }

    [SkippableFact]
    public void Without_the_modules_parameter_the_device_is_refused()
    {
        using var binding = new UioBinding("EDU", bare: true);
        using var backend = Lab.UioBackend();
        var device = Lab.UioDevice("EDU", bare: true);

        var refused = Assert.Throws<PciException>(() => backend.Open(device));

        Assert.Equal(Errno.EPERM, refused.Errno);
        Assert.Contains("allow_noiommu=1", refused.Fix);
        Assert.Contains("allow_noiommu=1", Assert.Single(backend.Discover(), d => d.Id == device).Obstacle);
    }

    [SkippableFact]
    public void Without_the_capability_the_device_is_refused()
    {
        using var binding = new UioBinding("EDU", bare: true).ForEveryone();
        using var allowed = new NoIommuAllowed();
        string device = Lab.UioDevice("EDU", bare: true).ToString();

        foreach (var process in new[] { Lab.StartWithout("sys_rawio", "open", device), Lab.StartAsNobody("open", device) })
        {
            using (process)
            {
                string said = process.StandardOutput.ReadToEnd();
                process.WaitForExit();
                Assert.True(process.ExitCode == 1, said + process.StandardError.ReadToEnd());
                Assert.StartsWith(nameof(Errno.EPERM), said);
                Assert.Contains("CAP_SYS_RAWIO", said);
            }
        }
        using var may = Lab.Start("open", device);
        Assert.StartsWith("done", may.StandardOutput.ReadToEnd());
        may.WaitForExit();
    }

    private void Open()
    {
        _device = DeviceRuntime.For(Sys).FindAsync(Lab.UioDevice("EDU", bare: true)).GetAwaiter().GetResult();
        _device.Tell(new DeviceProtocol.Open(), TestActor);
        Assert.True(ExpectMsg<DeviceProtocol.SessionReady>().Info.Iommu.GivesAddresses);
    }

    private void CloseDevice() => Ask<DeviceProtocol.Closed>(new DeviceProtocol.Close());

    private T Ask<T>(object command)
    {
        _device.Tell(command, TestActor);
        return FishForMessage<T>(_ => true);
    }

    private DeviceProtocol.DmaRegionCreated CreateRegion(DmaMemory memory) =>
        Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(memory)));

    private void Subscribe()
    {
        var opened = Ask<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors()).Vectors[0];
        opened.Tell(new InterruptProtocol.Subscribe(), TestActor);
        FishForMessage<InterruptProtocol.Subscribed>(_ => true);
    }

    // Half a page to the device and back into the other half, byte by byte the same.
    private void CheckCopies(DmaMemory memory, ulong address)
    {
        const int Half = (int)Page / 2;

        var bar = Ask<DeviceProtocol.BarOpened>(new DeviceProtocol.OpenBar(0)).Bar;
        new Random(7).NextBytes(memory.Span(0, Half));
        memory.Span(Half, Half).Clear();
        Copy(bar, address, Edu.Buffer, toRam: false, Half);
        Copy(bar, Edu.Buffer, address + Half, toRam: true, Half);
        Assert.True(memory.Span(0, Half).SequenceEqual(memory.Span(Half, Half)));
    }

    private void Copy(Bar bar, ulong source, ulong destination, bool toRam, ulong size = Page)
    {
        const ulong Start = 1, ToRam = 2, Interrupt = 4;

        bar.Write64(0x80, source);
        bar.Write64(0x88, destination);
        bar.Write64(0x90, size);
        bar.Write64(0x98, Start | Interrupt | (toRam ? ToRam : 0));
        Assert.Equal(1, FishForMessage<InterruptSignal>(_ => true).Take());
        bar.Write32(0x64, bar.Read32(0x24));
    }
}
