using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Backends.Uio;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends.Uio;

public sealed class UioAddressSpaceSpecs
{
    private const ulong Page = 4096;
    private readonly FakeUpuDevice _kernel = new();
    private readonly UioAddressSpace _space;

    public UioAddressSpaceSpecs()
    {
        var config = new DeviceConfigSpace(_kernel, "0000:01:00.0", FakeUpuDevice.ConfigOffset, 256, () => new PciException(Errno.ENODEV, "taken", "", SessionFailure.Revoked));
        _space = new(_kernel, config, new(true, Page, [new(0, 1UL << 39)], 8, Notifies: true), memlock: null);
    }

    [Fact]
    public void Aperture_leaves_out_what_is_reserved()
    {
        var info = new upu_info { flags = LibC.UPU_INFO_IOMMU, page_sizes = Page, aperture_start = 0x1000, aperture_last = 0xffff_ffff, dma_maximum = 7 };

        var found = UioAddressSpace.Describe(info, [new() { start = 0xfee0_0000, last = 0xfeef_ffff }, new() { start = 0, last = 0x1fff }, new() { start = 0xffff_f000, last = ulong.MaxValue }]);

        Assert.Equal([new(0x2000, 0xfee0_0000 - 0x2000), new(0xfef0_0000, 0xffff_f000 - 0xfef0_0000)], found.Aperture);
        Assert.Equal((true, 7, true), (found.Present, found.MaxMappings, found.Notifies));
    }

    [Fact]
    public void Aperture_of_all_64_bits_has_a_size() =>
        Assert.Equal(new IovaRange(0, ulong.MaxValue), Assert.Single(UioAddressSpace.Describe(new() { flags = LibC.UPU_INFO_IOMMU, aperture_last = ulong.MaxValue }, []).Aperture));

    [Fact]
    public void Map_is_rolled_back_when_a_later_piece_is_refused()
    {
        _kernel.MapFails = (2, Errno.EFAULT);

        var refused = Assert.Throws<PciException>(() => _space.Map([Piece(0), Piece(1), Piece(2)]));

        Assert.Equal((Errno.EFAULT, (SessionFailure?)null), (refused.Errno, refused.Failure));
        Assert.Empty(_kernel.Mapped);
        _space.Map([Piece(0), Piece(1)]);
    }

    [Theory]
    [InlineData(Errno.ENOMEM, "ocked", null)]
    [InlineData(Errno.ENOSPC, "dma_entry_limit", null)]
    [InlineData(Errno.EPERM, "Another process", null)]
    [InlineData(Errno.EAGAIN, "kept changing", null)]
    [InlineData(Errno.EIO, "failed", SessionFailure.CallFailed)]
    [InlineData(Errno.ENODEV, "taken", SessionFailure.Revoked)]
    public void Map_explains_what_the_kernel_refuses(Errno errno, string says, SessionFailure? failure)
    {
        _kernel.MapFails = (0, errno);

        var refused = Assert.Throws<PciException>(() => _space.Map([Piece(0)]));

        Assert.Equal((errno, failure), (refused.Errno, refused.Failure));
        Assert.Contains(says, refused.Message);
    }

    [Fact]
    public void A_buffer_is_mapped_by_its_descriptor_and_not_counted_twice()
    {
        var kernel = new FakeUpuDevice();
        var strict = new UioAddressSpace(kernel, new(kernel, "x", FakeUpuDevice.ConfigOffset, 256), _space.Info, () => new(Locked: Page, Pinned: 0, Limit: Page, Exempt: false));
        using var file = MemoryFile.Create("spec", (long)Page);

        var large = Piece(0) with { Host = new(0x7000_0000, 4 << 20) };

        Assert.Equal(Errno.ENOMEM, Assert.Throws<PciException>(() => strict.Map([large])).Errno);
        strict.Map([large with { Memfd = file, IsBuffer = true }]);

        Assert.Same(file, kernel.Mapped[0].Buffer);
    }

    [Fact]
    public void A_piece_that_the_module_unmapped_is_told_once_and_unmapped_here_without_an_error()
    {
        _space.Map([Piece(0), Piece(1)]);
        Revoke(1, LibC.UPU_CAUSE_DROPPED);

        Assert.Equal([new(Piece(1).Range, InvalidationCause.Dropped)], _space.TakeInvalidations());
        Assert.Empty(_space.TakeInvalidations());
        _space.Unmap(Piece(1).Range);
        Assert.Equal(Errno.ENOENT, Assert.Throws<PciException>(() => _space.Unmap(Piece(1).Range)).Errno);
        _space.Map([Piece(1)]);
    }

    [Fact]
    public void A_merged_record_names_what_is_gone_and_spares_what_lives()
    {
        _space.Map([Piece(0), Piece(1), Piece(2), Piece(5)]);
        _kernel.Mapped.Remove(0);
        _kernel.Mapped.Remove(2 * Page);
        _kernel.Records.Enqueue(new() { iova = 0, size = 3 * Page, cause = LibC.UPU_CAUSE_UNMAPPED, flags = LibC.UPU_INVALIDATION_MERGED });

        Assert.Equal([0UL, 2 * Page], _space.TakeInvalidations().Select(i => i.Piece.Start));
        Assert.Equal([Page, 5 * Page], _kernel.Mapped.Keys);
    }

    [Fact]
    public void A_record_of_a_piece_that_was_mapped_anew_meanwhile_takes_nothing_away()
    {
        _space.Map([Piece(0)]);
        Revoke(0, LibC.UPU_CAUSE_UNMAPPED);
        _space.Unmap(Piece(0).Range);
        _space.Map([Piece(0)]);

        Assert.Empty(_space.TakeInvalidations());
        Assert.Single(_kernel.Mapped);
    }

    [Fact]
    public void Without_an_iommu_the_kernel_says_where_memory_lies_and_each_piece_is_unmapped_there()
    {
        var info = UioAddressSpace.Describe(new() { page_sizes = Page, aperture_last = ulong.MaxValue, dma_maximum = 8 }, []);
        var bare = Bare(info);

        Assert.True(info.GivesAddresses);
        Assert.Equal([new(Bus + (7 * Page), Page), new(Bus + (2 * Page), Page)], bare.Map([Open(7), Open(2)])!);
        Assert.Equal(Errno.ENOENT, Assert.Throws<PciException>(() => bare.Unmap(new(0, Page))).Errno);
        bare.Unmap(new(Bus + (7 * Page), Page));

        Assert.Equal([Bus + (2 * Page)], _kernel.Mapped.Keys);
    }

    [Theory]
    [InlineData(Errno.EINVAL, "one bus address", "HugeTlb")]
    [InlineData(Errno.EEXIST, "mapped already", "Unmap")]
    public void Without_an_iommu_a_refusal_takes_the_pieces_before_it_back_from_where_they_lie(Errno errno, string why, string fix)
    {
        var bare = Bare(new(false, Page, [], 8));
        _kernel.MapFails = (2, errno);

        var refused = Assert.Throws<PciException>(() => bare.Map([Open(3), Open(4), Open(5)]));

        Assert.Equal((errno, (SessionFailure?)null), (refused.Errno, refused.Failure));
        Assert.Contains(why, refused.Why);
        Assert.Contains(fix, refused.Fix);
        Assert.Empty(_kernel.Mapped);
        Assert.Equal(3, bare.Map([Open(3), Open(4), Open(5)])!.Count);
    }

    [Fact]
    public void Without_an_iommu_no_iova_can_be_named_and_no_more_pieces_mapped_than_there_may_be()
    {
        var bare = Bare(new(false, Page, [], 2));

        Assert.Equal(Errno.EOPNOTSUPP, Assert.Throws<PciException>(() => bare.Map([Open(0), Piece(1)])).Errno);
        Assert.Equal(Errno.ENOSPC, Assert.Throws<PciException>(() => bare.Map([Open(0), Open(1), Open(2)])).Errno);
        Assert.Empty(_kernel.Mapped);
    }

    [Fact]
    public void Without_an_iommu_memory_that_goes_away_stays_pinned_and_nobody_is_told_that_it_was_unmapped()
    {
        var bare = Bare(new(false, Page, [], 8));
        var range = bare.Map([Open(3)])![0];
        _kernel.Records.Enqueue(new() { iova = range.Start, size = Page, cause = LibC.UPU_CAUSE_UNMAPPED, flags = LibC.UPU_INVALIDATION_PINNED });

        Assert.Empty(bare.TakeInvalidations());
        Assert.Single(_kernel.Mapped);
        bare.Unmap(range);
    }

    private void Revoke(ulong page, uint cause)
    {
        _kernel.Mapped.Remove(page * Page);
        _kernel.Records.Enqueue(new() { iova = page * Page, size = Page, cause = cause });
    }

    private const ulong Bus = 0x1_0000_0000;

    private UioAddressSpace Bare(IommuInfo info)
    {
        _kernel.BusAddress = address => Bus + address - 0x7000_0000;
        return new(_kernel, new(_kernel, "x", FakeUpuDevice.ConfigOffset, 256), info, memlock: null);
    }

    private static DmaPiece Open(ulong page) => Piece(page) with { Iova = 0 };

    private static DmaPiece Piece(ulong page) => new(page * Page, new(0x7000_0000 + (page * Page), Page), DmaAccess.ReadWrite);
}
