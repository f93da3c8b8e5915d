using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interop;
using Riser.Actors.Specs.Devices;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Dma;

public sealed class DmaRegionSpecs(ITestOutputHelper output) : DeviceSpec(output)
{
    private const ulong Page = 4096;

    [Theory]
    [InlineData(DmaMemoryKind.Normal)]
    [InlineData(DmaMemoryKind.Huge)]
    [InlineData(DmaMemoryKind.Shared)]
    public void A_region_is_mapped_where_it_was_asked_for(DmaMemoryKind kind)
    {
        Open();
        var created = Create(DmaMemory.Allocate(4 * Page, kind), iova: 0x10_0000);

        Assert.Equal(new IovaRange(0x10_0000, 4 * Page), created.Range);
        Assert.Equal(created.Range, Assert.Single(Simulation.Mappings).Range);
        Assert.Equal(4 * Page, Describe().Counts.LockedBytes);
    }

    [Fact]
    public void A_region_finds_a_place_of_its_own()
    {
        Open();
        var first = Create(DmaMemory.Allocate(Page));
        var second = Create(DmaMemory.Allocate(Page));
        Assert.False(first.Range.Overlaps(second.Range));
        Assert.Equal(2, Simulation.Mappings.Count);
    }

    [Theory]
    [InlineData(0x10_0000UL, Errno.EEXIST)] // another region is there
    [InlineData(0x10_0800UL, Errno.EINVAL)] // misaligned
    [InlineData(0xfee0_0000UL, Errno.EINVAL)] // reserved
    [InlineData(1UL << 60, Errno.EINVAL)] // past the aperture
    [InlineData(ulong.MaxValue - Page + 1, Errno.EINVAL)] // the last page: past the aperture too
    public void An_IOVA_that_does_not_fit_is_refused_and_the_memory_stays_its_senders(ulong iova, Errno errno)
    {
        Open();
        Create(DmaMemory.Allocate(Page), iova: 0x10_0000);
        var memory = DmaMemory.Allocate(Page);
        memory.Span(0, 1)[0] = 1;

        var refused = Ask<Refused>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(memory, iova)));

        Assert.Equal(errno, refused.Errno);
        Assert.IsType<DeviceProtocol.CreateDmaRegion>(refused.Command);
        Assert.NotEmpty(refused.Fix);
        Assert.Equal(1, memory.Span(0, 1)[0]);
        Assert.Single(Simulation.Mappings);
        AwaitAssert(() => Assert.Equal(1, Describe().Counts.DmaRegions));
    }

    [Fact]
    public void A_range_that_wraps_is_refused()
    {
        Open();
        var refused = Ask<Refused>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(2 * Page), ulong.MaxValue - Page + 1)));
        Assert.Equal(Errno.EOVERFLOW, refused.Errno);
    }

    [Fact]
    public void Scattered_memory_is_one_contiguous_range_for_the_device()
    {
        Open();
        var region = Create(DmaMemory.Allocate(Page), iova: 0x20_0000).Region;

        region.Tell(new DmaProtocol.AddPieces([new(DmaMemory.Allocate(Page)), new(DmaMemory.Allocate(3 * Page), Offset: Page, Size: 2 * Page)]), TestActor);

        var added = ExpectMsg<DmaProtocol.PiecesAdded>();
        Assert.Equal([new(0x20_1000, Page), new(0x20_2000, 2 * Page)], added.Ranges);
        Assert.Equal(3, Simulation.Mappings.Count);
    }

    [Fact]
    public void One_memory_is_seen_at_scattered_IOVAs()
    {
        Open();
        var memory = DmaMemory.Allocate(4 * Page);
        var region = Create(DmaMemory.Allocate(Page)).Region;

        region.Tell(new DmaProtocol.AddPieces([new(memory, 0, Page, 0x100_0000), new(memory, 2 * Page, Page, 0x200_0000)]), TestActor);

        ExpectMsg<DmaProtocol.PiecesAdded>();
        Assert.Contains(Simulation.Mappings, m => m.Iova == 0x200_0000 && m.Host.Address == memory.Range.Address + (2 * Page));
    }

    [Fact]
    public void Pieces_are_added_all_or_none()
    {
        Open();
        var region = Create(DmaMemory.Allocate(Page), iova: 0x10_0000).Region;

        region.Tell(new DmaProtocol.AddPieces([new(DmaMemory.Allocate(Page), Iova: 0x30_0000), new(DmaMemory.Allocate(Page), Iova: 0x10_0000)]), TestActor);

        Assert.Equal(Errno.EEXIST, ExpectMsg<Refused>().Errno);
        Assert.Single(Simulation.Mappings);
        Create(DmaMemory.Allocate(Page), iova: 0x30_0000); // is free
    }

    [Fact]
    public void A_piece_outside_its_memory_is_refused()
    {
        Open();
        var region = Create(DmaMemory.Allocate(Page)).Region;
        region.Tell(new DmaProtocol.AddPieces([new(DmaMemory.Allocate(Page), Offset: Page)]), TestActor);
        Assert.Equal(Errno.EINVAL, ExpectMsg<Refused>().Errno);
        region.Tell(new DmaProtocol.AddPieces([new(DmaMemory.Allocate(Page), Offset: 0, Size: ulong.MaxValue - 4095)]), TestActor);
        Assert.Equal(Errno.EINVAL, ExpectMsg<Refused>().Errno);
    }

    [Fact]
    public void Whole_pieces_are_removed_and_parts_are_not()
    {
        Open();
        var region = Create(DmaMemory.Allocate(2 * Page), iova: 0x10_0000).Region;
        region.Tell(new DmaProtocol.AddPieces([new(DmaMemory.Allocate(Page))]), TestActor);
        var added = ExpectMsg<DmaProtocol.PiecesAdded>();

        region.Tell(new DmaProtocol.RemovePieces([new(0x10_0000, Page)]), TestActor);
        Assert.Equal(Errno.ENOENT, ExpectMsg<Refused>().Errno);
        region.Tell(new DmaProtocol.RemovePieces(added.Ranges), TestActor);
        ExpectMsg<DmaProtocol.PiecesRemoved>();

        Assert.Equal(new IovaRange(0x10_0000, 2 * Page), Assert.Single(Simulation.Mappings).Range);
    }

    [Theory]
    [InlineData(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)] // all
    [InlineData(11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)]
    [InlineData(3, 4, 5)]
    [InlineData(0, 11)]
    [InlineData(5, 4, 7, 6)]
    [InlineData(2, 9, 3)]
    public void Pieces_are_removed_in_whatever_order_they_are_named(params int[] going)
    {
        Open();
        var region = Create(DmaMemory.Allocate(Page), iova: 0x10_0000).Region;
        var memory = DmaMemory.Allocate(12 * Page);
        region.Tell(new DmaProtocol.AddPieces([.. Enumerable.Range(0, 12).Select(i => new DmaProtocol.Piece(memory, (ulong)i * Page, Page))]), TestActor);
        var added = ExpectMsg<DmaProtocol.PiecesAdded>().Ranges;
        IovaRange[] ranges = [.. going.Select(i => added[i])];

        region.Tell(new DmaProtocol.RemovePieces([.. ranges, ranges[0]]), TestActor);
        Assert.Equal(Errno.EINVAL, ExpectMsg<Refused>().Errno);
        region.Tell(new DmaProtocol.RemovePieces([.. ranges, new(0x90_0000, Page)]), TestActor);
        Assert.Equal(Errno.ENOENT, ExpectMsg<Refused>().Errno);
        region.Tell(new DmaProtocol.RemovePieces(ranges), TestActor);
        Assert.Equal(ranges, ExpectMsg<DmaProtocol.PiecesRemoved>().Ranges);

        IovaRange[] left = [new(0x10_0000, Page), .. added.Except(ranges)];
        Assert.Equal(left, Simulation.Mappings.Select(m => m.Range).OrderBy(r => r.Start));
        Assert.Equal((ulong)left.Length * Page, Describe().Counts.LockedBytes);
        Assert.Equal(ranges[^1], Create(DmaMemory.Allocate(Page), iova: ranges[^1].Start).Range); // is free
        region.Tell(new DmaProtocol.Describe(), TestActor);
        Assert.Equal(left, ExpectMsg<DmaProtocol.Description>().Ranges);
    }

    [Fact]
    public void Unmap_and_map_keep_the_IOVA_and_a_double_unmap_is_refused()
    {
        Open();
        var created = Create(DmaMemory.Allocate(Page));
        created.Region.Tell(new DmaProtocol.Unmap(), TestActor);
        ExpectMsg<DmaProtocol.Unmapped>();
        Assert.Empty(Simulation.Mappings);
        Assert.Equal(0UL, Describe().Counts.LockedBytes);

        created.Region.Tell(new DmaProtocol.Unmap(), TestActor);
        var refused = ExpectMsg<Refused>();
        Assert.Equal(Errno.EINVAL, refused.Errno);
        Assert.Contains("Detached", refused.Why, StringComparison.Ordinal);

        created.Region.Tell(new DmaProtocol.Map(), TestActor);
        Assert.Equal([created.Range], ExpectMsg<DmaProtocol.Mapped>().Ranges);
        Assert.Equal(created.Range, Assert.Single(Simulation.Mappings).Range);
    }

    [Fact]
    public void Release_unmaps_gives_the_memory_back_and_ends_the_region()
    {
        Open();
        var created = Create(DmaMemory.Allocate(Page), iova: 0x10_0000);
        created.Memory.Span(0, 1)[0] = 1;
        Watch(created.Region);

        created.Region.Tell(new DmaProtocol.Release(), TestActor);

        ExpectMsg<DmaProtocol.Released>();
        ExpectTerminated(created.Region);
        Assert.Empty(Simulation.Mappings);
        AwaitAssert(() => Assert.Equal(0, created.Memory.Span(0, 1)[0]));
        AwaitAssert(() => Create(DmaMemory.Allocate(Page), iova: 0x10_0000));
    }

    [Fact]
    public void A_region_that_is_stopped_from_outside_is_unmapped()
    {
        Open();
        var created = Create(DmaMemory.Allocate(Page));
        Sys.Stop(created.Region);
        AwaitAssert(() => Assert.Empty(Simulation.Mappings));
        AwaitAssert(() => Assert.Equal(0, Describe().Counts.DmaRegions));
    }

    [Fact]
    public void A_refused_map_changes_nothing()
    {
        Open();
        var created = Create(DmaMemory.Allocate(Page));
        Simulation.FailNext(SimulatedCall.Map, Errno.ENOMEM);

        created.Region.Tell(new DmaProtocol.AddPieces([new(DmaMemory.Allocate(Page))]), TestActor);

        Assert.Equal(Errno.ENOMEM, ExpectMsg<Refused>().Errno);
        created.Region.Tell(new DmaProtocol.Describe(), TestActor);
        Assert.Equal([created.Range], ExpectMsg<DmaProtocol.Description>().Ranges);
    }

    [Theory]
    [InlineData(InvalidationCause.Unmapped)]
    [InlineData(InvalidationCause.Dropped)]
    public void Memory_that_goes_away_invalidates_the_region(InvalidationCause cause)
    {
        Open();
        using var foreign = MemoryMapping.Create((nuint)(4 * Page), LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS);
        var created = Create(DmaMemory.FromRange(new((ulong)foreign.Address, 4 * Page)));
        created.Region.Tell(new DmaProtocol.Watch(), TestActor);
        ExpectMsg<DmaProtocol.Description>();

        if (cause == InvalidationCause.Unmapped) // and no hole, into which another thread could map what is unmapped with the rest
            foreign.Overlay((nuint)Page, (nuint)Page, LibC.PROT_NONE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS, -1, 0);
        else
            Assert.Equal(0, LibC.madvise(foreign.Address, (nuint)Page, LibC.MADV_DONTNEED));

        var gone = ExpectMsg<DmaProtocol.Invalidated>();
        Assert.Equal((created.Range, cause), (gone.Range, gone.Cause));
        Assert.Empty(Simulation.Mappings);
        created.Region.Tell(new DmaProtocol.Describe(), TestActor);
        Assert.Equal(DmaRegionPhase.Invalidated, ExpectMsg<DmaProtocol.Description>().Phase);
        Assert.Equal(0UL, Describe().Counts.LockedBytes);
    }

    [Fact]
    public void Memory_that_is_mapped_anew_after_it_went_away_is_watched_anew()
    {
        Open();
        using var foreign = MemoryMapping.Create((nuint)Page, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS);
        var created = Create(DmaMemory.FromRange(new((ulong)foreign.Address, Page)));
        var watcher = CreateTestProbe();
        created.Region.Tell(new DmaProtocol.Watch(), watcher.Ref);
        watcher.ExpectMsg<DmaProtocol.Description>();

        for (int round = 0; round < 3; round++)
        {
            foreign.Blank(); // unmapped, and new memory is mapped there
            Assert.Equal(InvalidationCause.Unmapped, watcher.ExpectMsg<DmaProtocol.Invalidated>().Cause);
            created.Region.Tell(new DmaProtocol.Map(), TestActor);
            Assert.Equal([created.Range], ExpectMsg<DmaProtocol.Mapped>().Ranges);
            watcher.ExpectMsg<DmaProtocol.Mapped>();
        }
    }

    [Fact]
    public void A_piece_of_memory_that_was_mapped_anew_is_watched_anew()
    {
        Open();
        using var foreign = MemoryMapping.Create((nuint)(2 * Page), LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS);
        var memory = DmaMemory.FromRange(new((ulong)foreign.Address, 2 * Page));
        var region = Create(DmaMemory.Allocate(Page)).Region;
        region.Tell(new DmaProtocol.AddPieces([new(memory, 0, Page)]), TestActor);
        ExpectMsg<DmaProtocol.PiecesAdded>();
        region.Tell(new DmaProtocol.Watch(), TestActor);
        ExpectMsg<DmaProtocol.Description>();
        foreign.Overlay((nuint)Page, (nuint)Page, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS, -1, 0); // of which no piece is
        region.Tell(new DmaProtocol.AddPieces([new(memory, Page, Page)]), TestActor);
        var added = ExpectMsg<DmaProtocol.PiecesAdded>().Ranges;
        ExpectMsg<DmaProtocol.PiecesAdded>(); // as a watcher

        foreign.Overlay((nuint)Page, (nuint)Page, LibC.PROT_NONE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS, -1, 0);

        Assert.Equal(added[0], ExpectMsg<DmaProtocol.Invalidated>().Range);
    }

    [Fact]
    public void A_piece_that_the_backend_revokes_is_told_and_its_neighbour_on_the_same_memory_stays()
    {
        Open();
        var memory = DmaMemory.Allocate(3 * Page);
        var created = Create(memory, iova: 0x10_0000);
        created.Region.Tell(new DmaProtocol.AddPieces([new(memory, 0, Page, 0x20_0000), new(memory, 2 * Page, Page, 0x30_0000)]), TestActor);
        ExpectMsg<DmaProtocol.PiecesAdded>();
        created.Region.Tell(new DmaProtocol.Watch(), TestActor);
        ExpectMsg<DmaProtocol.Description>();

        Simulation.Invalidate(new(memory.Range.Address, Page)); // what a kernel module with a notifier does

        IovaRange[] gone = [ExpectMsg<DmaProtocol.Invalidated>().Range, ExpectMsg<DmaProtocol.Invalidated>().Range];
        Assert.Equal([0x10_0000UL, 0x20_0000UL], gone.Select(g => g.Start).Order());
        Assert.Equal(0x30_0000UL, Assert.Single(Simulation.Mappings).Iova);
    }

    [Fact]
    public void Memory_from_the_device_belongs_to_its_region_and_outlives_a_session()
    {
        Open();
        var memory = Ask<DeviceProtocol.MemoryAllocated>(new DeviceProtocol.AllocateMemory(Page + 1)).Memory;
        Assert.Equal((DmaMemoryKind.Buffer, 2 * Page), (memory.Kind, memory.Size));
        memory.Span(0, 8).Fill(0x5a);
        var created = Create(memory, iova: 0x10_0000);

        Simulation.ReportError();
        ExpectMsg<DeviceProtocol.SessionLost>();
        ExpectMsg<DeviceProtocol.SessionReady>();

        Assert.Equal(created.Range, Assert.Single(Simulation.Mappings).Range);
        Assert.False(memory.Span(0, 8).ContainsAnyExcept((byte)0x5a));
        Assert.Equal(Errno.EINVAL, Ask<Refused>(new DeviceProtocol.AllocateMemory(0)).Errno);
    }

    [Theory]
    [InlineData(DmaMemoryKind.Normal, false, true)]
    [InlineData(DmaMemoryKind.Normal, true, false)]
    [InlineData(DmaMemoryKind.Foreign, false, true)]
    [InlineData(DmaMemoryKind.Foreign, true, true)] // between two sessions nobody else hears of it
    public void Memory_is_watched_where_the_backend_does_not_say_what_goes_away(DmaMemoryKind kind, bool notifies, bool watched)
    {
        using var memory = kind == DmaMemoryKind.Foreign ? DmaMemory.FromRange(new(0x10000, Page)) : DmaMemory.Allocate(Page, kind);
        using var cell = new DmaRegionCell(new IovaAllocator(new(true, Page, [new(0, 1UL << 30)], 16)), DmaAccess.ReadWrite, InvalidationPolicy.Fail) { BackendNotifies = notifies };

        Assert.Equal(watched, cell.Watches(memory));
    }

    [Fact]
    public void Policy_remap_maps_dropped_memory_again_at_the_same_IOVA()
    {
        Open();
        var memory = DmaMemory.Allocate(2 * Page);
        var created = Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(memory, Policy: InvalidationPolicy.Remap)));
        created.Region.Tell(new DmaProtocol.Watch(), TestActor);
        ExpectMsg<DmaProtocol.Description>();

        Assert.Equal(0, LibC.madvise((nint)memory.Range.Address, (nuint)Page, LibC.MADV_DONTNEED));

        ExpectMsg<DmaProtocol.Invalidated>();
        Assert.Equal([created.Range], ExpectMsg<DmaProtocol.Mapped>().Ranges);
        Assert.Equal(created.Range, Assert.Single(Simulation.Mappings).Range);
    }

    [Fact]
    public void Memory_that_goes_away_between_sessions_is_not_mapped_again()
    {
        Open();
        var kept = Create(DmaMemory.Allocate(Page));
        var memory = DmaMemory.Allocate(Page);
        var created = Create(memory);
        created.Region.Tell(new DmaProtocol.Watch(), TestActor);
        ExpectMsg<DmaProtocol.Description>();
        Simulation.SurpriseRemove();
        FishForMessage(m => m is DmaProtocol.SessionLost);

        Assert.Equal(0, LibC.madvise((nint)memory.Range.Address, (nuint)Page, LibC.MADV_DONTNEED));
        FishForMessage(m => m is DmaProtocol.Invalidated);
        Simulation.Replug();

        FishForMessage(m => m is DeviceProtocol.SessionReady);
        Assert.Equal(kept.Range, Assert.Single(Simulation.Mappings).Range);
    }

    private DeviceProtocol.DmaRegionCreated Create(DmaMemory memory, ulong? iova = null) =>
        Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(memory, iova)));
}
