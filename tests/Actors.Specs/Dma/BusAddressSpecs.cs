using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interop;
using Riser.Actors.Specs.Devices;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Dma;

/// <summary>DMA regions on a machine without an IOMMU: memory lies where it lies, and each session says where that is.</summary>
public sealed class BusAddressSpecs(ITestOutputHelper output) : DeviceSpec(output, "riser.backends.sim.iommu.present = off, riser.restart.call-failed { first = 1h, longest = 1h }")
{
    private const ulong Page = 4096;

    [Fact]
    public void A_region_is_where_the_session_says()
    {
        Assert.True(Open().Info.Iommu.GivesAddresses);
        var created = Create(DmaMemory.Allocate(Page));

        var mapping = Assert.Single(Simulation.Mappings);
        Assert.Equal((mapping.Range, mapping.Host), (created.Range, created.Memory.Range));
        Assert.NotEqual(0UL, created.Range.Start);
        Assert.Equal(Page, Describe().Counts.LockedBytes);
    }

    [Fact]
    public void An_IOVA_cannot_be_wished_for_and_the_memory_stays_its_senders()
    {
        Open();
        var memory = DmaMemory.Allocate(Page);

        var refused = Ask<Refused>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(memory, Iova: 0x10_0000)));

        Assert.Equal(Errno.EOPNOTSUPP, refused.Errno);
        Assert.Contains("bus address", refused.Why, StringComparison.Ordinal);
        Create(memory);
    }

    [Fact]
    public void Memory_of_the_programs_own_is_refused()
    {
        Open();
        using var foreign = MemoryMapping.Create((nuint)Page, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS);

        var refused = Ask<Refused>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.FromRange(new((ulong)foreign.Address, Page)))));

        Assert.Equal(Errno.EOPNOTSUPP, refused.Errno);
        Assert.Contains("DmaMemory.Allocate", refused.Fix, StringComparison.Ordinal);
        Assert.Empty(Simulation.Mappings);
    }

    [Fact]
    public void Memory_that_is_not_in_one_run_is_refused_and_taken_page_by_page()
    {
        Open();
        var memory = DmaMemory.Allocate(4 * Page);
        Assert.Equal(Errno.EINVAL, Ask<Refused>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(memory))).Errno);
        var (region, first, _) = Create(DmaMemory.Allocate(Page));

        region.Tell(new DmaProtocol.AddPieces([.. Pages(memory, 4)]), TestActor);
        var added = ExpectMsg<DmaProtocol.PiecesAdded>().Ranges;

        Assert.Equal(
            Enumerable.Range(0, 4).Select(i => memory.Range.Address + ((ulong)i * Page)),
            added.Select(range => Simulation.Mappings.Single(m => m.Range == range).Host.Address));
        region.Tell(new DmaProtocol.RemovePieces([added[2], added[0]]), TestActor);
        Assert.Equal([added[2], added[0]], ExpectMsg<DmaProtocol.PiecesRemoved>().Ranges);
        Assert.Equal(3, Simulation.Mappings.Count);
        Assert.DoesNotContain(Simulation.Mappings, m => m.Range == added[0] || m.Range == added[2]);
        Assert.Equal(3 * Page, Describe().Counts.LockedBytes);

        Simulation.ReportError(); // and they are not in the next session's account
        FishForMessage<DeviceProtocol.SessionReady>(ready => ready.Epoch == 2);
        ulong[] left = [first.Range.Address, memory.Range.Address + Page, memory.Range.Address + (3 * Page)];
        Assert.Equal(left.Order(), Simulation.Mappings.Select(m => m.Host.Address).Order());
    }

    [Fact]
    public void Pieces_are_added_all_or_none()
    {
        Open();
        var region = Create(DmaMemory.Allocate(Page)).Region;
        var memory = DmaMemory.Allocate(3 * Page);

        region.Tell(new DmaProtocol.AddPieces([new(memory, 0, Page), new(memory, Page, 2 * Page)]), TestActor);
        Assert.Equal(Errno.EINVAL, ExpectMsg<Refused>().Errno);
        region.Tell(new DmaProtocol.AddPieces([new(memory, 0, Page), new(memory, Page, Page, Iova: 0x10_0000)]), TestActor);
        Assert.Equal(Errno.EOPNOTSUPP, ExpectMsg<Refused>().Errno);
        Assert.Single(Simulation.Mappings);

        region.Tell(new DmaProtocol.AddPieces([.. Pages(memory, 3)]), TestActor);
        Assert.Equal(3, ExpectMsg<DmaProtocol.PiecesAdded>().Ranges.Count);
    }

    [Fact]
    public void A_restart_says_the_new_addresses_and_only_they_are_the_regions()
    {
        Open();
        var created = Create(DmaMemory.Allocate(Page));
        var memory = DmaMemory.Allocate(2 * Page);
        created.Region.Tell(new DmaProtocol.AddPieces([.. Pages(memory, 2)]), TestActor);
        IovaRange[] former = [created.Range, .. ExpectMsg<DmaProtocol.PiecesAdded>().Ranges];
        ulong[] hosts = [created.Memory.Range.Address, memory.Range.Address, memory.Range.Address + Page];
        var watcher = Listen(created.Region);

        Simulation.ReportError();

        watcher.ExpectMsg<DmaProtocol.SessionLost>();
        var mapped = watcher.ExpectMsg<DmaProtocol.Mapped>();
        Assert.Equal(2, mapped.Epoch);
        Assert.Equal(3, mapped.Ranges.Count);
        Assert.Empty(mapped.Ranges.Intersect(former));
        Assert.Equal(hosts, mapped.Ranges.Select(range => Simulation.Mappings.Single(m => m.Range == range).Host.Address));
        FishForMessage<DeviceProtocol.SessionReady>(ready => ready.Epoch == 2);
        created.Region.Tell(new DmaProtocol.Describe(), TestActor);
        Assert.Equal(mapped.Ranges, ExpectMsg<DmaProtocol.Description>().Ranges);
        created.Region.Tell(new DmaProtocol.RemovePieces([former[1]]), TestActor);
        Assert.Equal(Errno.ENOENT, ExpectMsg<Refused>().Errno);
        created.Region.Tell(new DmaProtocol.RemovePieces([mapped.Ranges[1]]), TestActor);
        ExpectMsg<DmaProtocol.PiecesRemoved>();
        Assert.Equal([mapped.Ranges[0], mapped.Ranges[2]], Simulation.Mappings.Select(m => m.Range).OrderBy(range => range.Start));
    }

    [Fact]
    public void Unmap_and_map_while_the_session_runs()
    {
        Open();
        var created = Create(DmaMemory.Allocate(Page));

        created.Region.Tell(new DmaProtocol.Unmap(), TestActor);
        Assert.Equal([created.Range], ExpectMsg<DmaProtocol.Unmapped>().Ranges);
        Assert.Empty(Simulation.Mappings);
        Assert.Equal(0UL, Describe().Counts.LockedBytes);
        created.Region.Tell(new DmaProtocol.Map(), TestActor);
        var mapped = Assert.Single(ExpectMsg<DmaProtocol.Mapped>().Ranges);

        Assert.Equal(mapped, Assert.Single(Simulation.Mappings).Range);
        Assert.Equal(Page, Describe().Counts.LockedBytes);
        created.Region.Tell(new DmaProtocol.Release(), TestActor);
        ExpectMsg<DmaProtocol.Released>();
        Assert.Empty(Simulation.Mappings);
        AwaitAssert(() => Assert.Equal(0, Describe().Counts.DmaRegions));
    }

    [Fact]
    public void What_is_asked_while_the_next_session_is_opened_is_done_at_the_new_addresses()
    {
        Open();
        var unmapped = Create(DmaMemory.Allocate(Page)).Region;
        var killed = Create(DmaMemory.Allocate(Page)).Region;
        var fresh = DmaMemory.Allocate(Page);
        LoseAndFreeze();

        unmapped.Tell(new DmaProtocol.Unmap(), TestActor);
        unmapped.Tell(new DmaProtocol.Describe(), TestActor);
        ExpectMsg<DmaProtocol.Description>(); // the device has been asked
        Watch(killed);
        killed.Tell(PoisonPill.Instance);
        ExpectTerminated(killed);
        Device.Tell(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(fresh)), TestActor);
        Simulation.Thaw();

        object[] answers = [.. Enumerable.Range(0, 3).Select(_ => ExpectMsg<object>())];
        Assert.Single(answers.OfType<DmaProtocol.Unmapped>());
        Assert.Equal(2, Assert.Single(answers.OfType<DeviceProtocol.SessionReady>()).Epoch);
        var created = Assert.Single(answers.OfType<DeviceProtocol.DmaRegionCreated>());
        Assert.Equal(2, Describe().Epoch);
        AwaitAssert(() => Assert.Equal(2, Describe().Counts.DmaRegions));
        Assert.Equal((created.Range, fresh.Range), Assert.Single(Simulation.Mappings.Select(m => (m.Range, m.Host))));
        Assert.Equal(Page, Describe().Counts.LockedBytes);
    }

    [Fact]
    public void Pieces_do_not_come_or_go_by_addresses_that_are_about_to_change()
    {
        Open();
        var created = Create(DmaMemory.Allocate(Page));
        var watcher = Listen(created.Region);
        var memory = DmaMemory.Allocate(Page);
        LoseAndFreeze();
        watcher.ExpectMsg<DmaProtocol.SessionLost>();

        created.Region.Tell(new DmaProtocol.RemovePieces([created.Range]), TestActor);
        Assert.Equal(Errno.EAGAIN, ExpectMsg<Refused>().Errno);
        created.Region.Tell(new DmaProtocol.AddPieces([new(memory)]), TestActor);
        Assert.Equal(Errno.EAGAIN, ExpectMsg<Refused>().Errno);
        Simulation.Thaw();

        Assert.NotEqual([created.Range], watcher.ExpectMsg<DmaProtocol.Mapped>().Ranges);
        ExpectMsg<DeviceProtocol.SessionReady>();
        created.Region.Tell(new DmaProtocol.AddPieces([new(memory)]), TestActor);
        ExpectMsg<DmaProtocol.PiecesAdded>();
    }

    [Theory]
    [InlineData(DmaMemoryKind.Normal)]
    [InlineData(DmaMemoryKind.Shared)]
    public void Nothing_is_watched_because_unmapping_would_protect_nothing(DmaMemoryKind kind)
    {
        using var memory = DmaMemory.Allocate(Page, kind);
        using var bare = new DmaRegionCell(iovas: null, DmaAccess.ReadWrite, InvalidationPolicy.Fail);
        using var behind = new DmaRegionCell(new IovaAllocator(new(true, Page, [new(0, 1 << 30)], 8)), DmaAccess.ReadWrite, InvalidationPolicy.Fail);

        Assert.False(bare.Watches(memory));
        Assert.True(behind.Watches(memory));
    }

    private static IEnumerable<DmaProtocol.Piece> Pages(DmaMemory memory, int count) =>
        Enumerable.Range(0, count).Select(i => new DmaProtocol.Piece(memory, (ulong)i * Page, Page));

    private DeviceProtocol.DmaRegionCreated Create(DmaMemory memory) =>
        Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(memory)));

    private Akka.TestKit.TestProbe Listen(IActorRef region)
    {
        var probe = CreateTestProbe();
        region.Tell(new DmaProtocol.Watch(), probe.Ref);
        probe.ExpectMsg<DmaProtocol.Description>();
        return probe;
    }

    // The next session is being opened, and is held there.
    private void LoseAndFreeze()
    {
        Simulation.FailNext(Riser.Actors.Backends.Simulation.SimulatedCall.ReadConfig, Errno.EIO, failure: SessionFailure.CallFailed);
        Ask<DeviceProtocol.SessionLost>(new DeviceProtocol.ReadConfig(0, 4)); // to the owner
        ExpectMsg<DeviceProtocol.SessionLost>(); // the answer
        AwaitAssert(() => Assert.Equal(DevicePhase.BackingOff, Describe().State));
        Simulation.Freeze();
        Device.Tell(new DeviceProtocol.Resume(), TestActor);
        Assert.Equal(DevicePhase.Opening, Describe().State);
    }
}
