using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Backends.Vfio;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends.Vfio;

public sealed class VfioAddressSpaceSpecs
{
    private const ulong Page = 4096;
    private readonly FakeContainer _kernel = new();
    private readonly VfioAddressSpace _space;

    public VfioAddressSpaceSpecs()
    {
        _space = new(_kernel, memlock: null);
        _space.Join(this);
    }

    [Theory]
    [InlineData(0x1001UL, 0x1000UL, Errno.EINVAL)] // misaligned
    [InlineData(0x1000UL, 0x800UL, Errno.EINVAL)]
    [InlineData(0x1000UL, 0UL, Errno.EINVAL)]
    [InlineData(0xffff_ffff_ffff_f000UL, 0x2000UL, Errno.EOVERFLOW)]
    [InlineData(0x8000_0000_0000UL, 0x1000UL, Errno.EINVAL)] // behind the aperture
    [InlineData(0xfed0_0000UL, 0x200000UL, Errno.EINVAL)] // into the reserved gap
    [InlineData(0x10000UL, 0x1000UL, Errno.EEXIST)]
    [InlineData(0xf000UL, 0x2000UL, Errno.EEXIST)]
    [InlineData(0x13000UL, 0x1000UL, Errno.EEXIST)]
    [InlineData(0x8000UL, 0x20000UL, Errno.EEXIST)]
    public void Map_refuses_without_asking_the_kernel(ulong iova, ulong size, Errno errno)
    {
        _space.Map(this, [Piece(0x10000, 4 * Page)]);

        var refused = Assert.Throws<PciException>(() => _space.Map(this, [Piece(0x40000, Page), Piece(iova, size)]));

        Assert.Equal(errno, refused.Errno);
        Assert.Null(refused.Failure);
        Assert.Equal([0x10000UL], _kernel.Mapped.Keys);
    }

    [Fact]
    public void Map_refuses_pieces_of_one_call_that_overlap() =>
        Assert.Equal(Errno.EEXIST, Assert.Throws<PciException>(() => _space.Map(this, [Piece(0x2000, Page), Piece(0x1000, 2 * Page)])).Errno);

    [Fact]
    public void Map_refuses_access_of_no_kind() =>
        Assert.Equal(Errno.EINVAL, Assert.Throws<PciException>(() => _space.Map(this, [new(0, new(0x7000, Page), 0)])).Errno);

    [Fact]
    public void Map_refuses_with_ENOSPC_when_the_entries_are_used_up()
    {
        _space.Map(this, [.. Enumerable.Range(0, FakeContainer.Entries - 1).Select(i => Piece((ulong)i * Page, Page))]);

        Assert.Equal(Errno.ENOSPC, Assert.Throws<PciException>(() => _space.Map(this, [Piece(0x100000, Page), Piece(0x200000, Page)])).Errno);
        _space.Map(this, [Piece(0x100000, Page)]);
    }

    [Theory]
    [InlineData(Errno.ENOMEM)]
    [InlineData(Errno.ENOSPC)]
    [InlineData(Errno.EFAULT)]
    [InlineData(Errno.EEXIST)]
    public void Map_rolls_back_when_the_kernel_refuses_a_later_piece(Errno errno)
    {
        _kernel.RefuseAt = (0x3000, errno);

        var refused = Assert.Throws<PciException>(() => _space.Map(this, [Piece(0x1000, Page), Piece(0x2000, Page), Piece(0x3000, Page), Piece(0x4000, Page)]));

        Assert.Equal(errno, refused.Errno);
        Assert.Null(refused.Failure);
        Assert.Empty(_kernel.Mapped);
        _kernel.RefuseAt = null;
        _space.Map(this, [Piece(0x1000, 4 * Page)]);
    }

    [Fact]
    public void Map_refuses_over_the_memory_limit_before_the_kernel_is_asked()
    {
        const ulong Large = 1 << 20;
        int looks = 0;
        var space = new VfioAddressSpace(_kernel, () => new((ulong)(0 * ++looks), 0, 3 * Large, false));
        space.Join(this);

        Assert.Equal(Errno.ENOMEM, Assert.Throws<PciException>(() => space.Map(this, [Piece(0, 2 * Large), Piece(0x1000_0000, 2 * Large)])).Errno);
        Assert.Empty(_kernel.Mapped);
        space.Map(this, [Piece(0, 3 * Large)]);
        Assert.Equal(2, looks);
    }

    [Fact]
    public void Map_of_little_memory_leaves_the_limit_to_the_kernel()
    {
        var space = new VfioAddressSpace(_kernel, () => throw new InvalidOperationException("It looked."));
        space.Join(this);

        space.Map(this, [Piece(0, 2 * Page)]);

        Assert.Single(_kernel.Mapped);
    }

    [Fact]
    public void Unmap_takes_exactly_one_piece()
    {
        _space.Map(this, [Piece(0x1000, 2 * Page), Piece(0x3000, Page)]);

        Assert.Equal(Errno.EINVAL, Assert.Throws<PciException>(() => _space.Unmap(this, new(0x1000, Page))).Errno);
        Assert.Equal(Errno.EINVAL, Assert.Throws<PciException>(() => _space.Unmap(this, new(0x1000, 3 * Page))).Errno);
        Assert.Equal(Errno.ENOENT, Assert.Throws<PciException>(() => _space.Unmap(this, new(0x2000, Page))).Errno);
        _space.Unmap(this, new(0x1000, 2 * Page));
        Assert.Equal(Errno.ENOENT, Assert.Throws<PciException>(() => _space.Unmap(this, new(0x1000, 2 * Page))).Errno);
        Assert.Equal([0x3000UL], _kernel.Mapped.Keys);
    }

    [Fact]
    public void Unmap_does_not_trust_a_kernel_that_unmapped_nothing()
    {
        _space.Map(this, [Piece(0x1000, Page)]);
        _kernel.UnmapsNothing = true;

        var fault = Assert.Throws<PciException>(() => _space.Unmap(this, new(0x1000, Page)));

        Assert.Equal(SessionFailure.CallFailed, fault.Failure);
        _kernel.UnmapsNothing = false;
        _space.Unmap(this, new(0x1000, Page)); // still on the books
        Assert.Empty(_kernel.Mapped);
    }

    [Fact]
    public void Functions_of_a_group_share_the_iovas_and_each_takes_its_own_along()
    {
        object sibling = new();
        _space.Join(sibling);
        _space.Map(this, [Piece(0x1000, Page)]);
        _space.Map(sibling, [Piece(0x2000, Page)]);

        Assert.Equal(Errno.EEXIST, Assert.Throws<PciException>(() => _space.Map(sibling, [Piece(0x1000, Page)])).Errno);
        Assert.Equal(Errno.ENOENT, Assert.Throws<PciException>(() => _space.Unmap(sibling, new(0x1000, Page))).Errno);
        Assert.Empty(_space.Leave(this));
        Assert.Equal([0x2000UL], _kernel.Mapped.Keys);
        Assert.Equal(Errno.ENODEV, Assert.Throws<PciException>(() => _space.Map(this, [Piece(0x1000, Page)])).Errno);
        _space.Map(sibling, [Piece(0x1000, Page)]);
    }

    [Fact]
    public void Leave_goes_on_when_the_kernel_does_not_unmap()
    {
        _space.Map(this, [Piece(0x1000, Page), Piece(0x3000, Page)]);
        _kernel.UnmapsNothing = true;

        Assert.Equal(2, _space.Leave(this).Count);
    }

    [Fact]
    public void Books_agree_with_the_kernel_after_any_sequence()
    {
        var random = new Random(1);
        for (int i = 0; i < 20_000; i++)
        {
            ulong iova = (ulong)random.Next(64) * Page, size = (ulong)random.Next(1, 5) * Page;
            bool free = !_kernel.Mapped.Any(m => m.Key < iova + size && iova < m.Key + m.Value) && _kernel.Mapped.Count < FakeContainer.Entries;
            bool exact = _kernel.Mapped.TryGetValue(iova, out ulong mapped) && mapped == size;
            bool map = random.Next(2) == 0;
            var fault = Record.Exception(() =>
            {
                if (map)
                    _space.Map(this, [Piece(iova, size)]);
                else
                    _space.Unmap(this, new(iova, size));
            });
            Assert.Equal(map ? free : exact, fault is null);
        }
    }

    private static DmaPiece Piece(ulong iova, ulong size) => new(iova, new(0x7f00_0000_0000, size), DmaAccess.ReadWrite);

    /// <summary>A kernel that maps whatever it is told to, and refuses what it is told to refuse.</summary>
    private sealed class FakeContainer : IVfioContainer
    {
        public const int Entries = 16;

        public SortedDictionary<ulong, ulong> Mapped { get; } = [];

        public (ulong Iova, Errno Errno)? RefuseAt { get; set; }

        public bool UnmapsNothing { get; set; }

        public byte[] GetInfo() =>
        [
            .. Bytes(new vfio_iommu_type1_info { flags = LibC.VFIO_IOMMU_INFO_PGSIZES | LibC.VFIO_IOMMU_INFO_CAPS, iova_pgsizes = 0x1000, cap_offset = 24 }),
            .. Bytes(new vfio_iommu_type1_info_cap_iova_range { header = new() { id = LibC.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, next = 72 }, nr_iovas = 2 }),
            .. Bytes(new vfio_iova_range { start = 0, end = 0xfedfffff }),
            .. Bytes(new vfio_iova_range { start = 0xfef00000, end = 0x7fff_ffff_ffff }),
            .. Bytes(new vfio_iommu_type1_info_dma_avail { header = new() { id = LibC.VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL }, avail = Entries }),
        ];

        public void Map(ulong iova, ulong address, ulong size, uint flags)
        {
            if (RefuseAt is { } refuse && refuse.Iova == iova)
                throw new NativeException("VFIO_IOMMU_MAP_DMA", refuse.Errno);
            Mapped.Add(iova, size);
        }

        public ulong Unmap(ulong iova, ulong size)
        {
            if (UnmapsNothing)
                return 0;
            Assert.True(Mapped.Remove(iova, out ulong mapped));
            return mapped;
        }

        public void Dispose()
        {
        }

        private static byte[] Bytes<T>(T value)
            where T : unmanaged
        {
            byte[] bytes = new byte[Unsafe.SizeOf<T>()];
            MemoryMarshal.Write(bytes, in value);
            return bytes;
        }
    }
}
