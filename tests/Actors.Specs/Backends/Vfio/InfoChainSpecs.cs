using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Backends.Vfio;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends.Vfio;

public sealed class InfoChainSpecs
{
    [Fact]
    public void Region_without_capabilities_can_be_mapped_whole() =>
        Assert.Null(InfoChain.SparseAreas(Bytes(new vfio_region_info { flags = LibC.VFIO_REGION_INFO_FLAG_MMAP, size = 0x4000 })));

    [Fact]
    public void Sparse_areas_are_found_behind_another_capability()
    {
        byte[] reply =
        [
            .. Bytes(new vfio_region_info { flags = LibC.VFIO_REGION_INFO_FLAG_CAPS, cap_offset = 32 }),
            .. Bytes(new vfio_info_cap_header { id = 3, version = 1, next = 40 }),
            .. Bytes(new vfio_region_info_cap_sparse_mmap { header = new() { id = LibC.VFIO_REGION_INFO_CAP_SPARSE_MMAP, version = 1 }, nr_areas = 2 }),
            .. Bytes(new vfio_region_sparse_mmap_area { offset = 0, size = 0x2000 }),
            .. Bytes(new vfio_region_sparse_mmap_area { offset = 0x3000, size = 0x1000 }),
        ];

        Assert.Equal([(0UL, 0x2000UL), (0x3000UL, 0x1000UL)], InfoChain.SparseAreas(reply)!);
    }

    [Fact]
    public void Iommu_info_has_page_sizes_aperture_and_limit()
    {
        byte[] reply =
        [
            .. Bytes(new vfio_iommu_type1_info { flags = LibC.VFIO_IOMMU_INFO_PGSIZES | LibC.VFIO_IOMMU_INFO_CAPS, iova_pgsizes = 0x40201000, cap_offset = 24 }),
            .. Bytes(new vfio_iommu_type1_info_cap_iova_range { header = new() { id = LibC.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, next = 72 }, nr_iovas = 2 }),
            .. Bytes(new vfio_iova_range { start = 0, end = 0xfedfffff }),
            .. Bytes(new vfio_iova_range { start = 0xfef00000, end = 0xffff_ffff_ffff }),
            .. Bytes(new vfio_iommu_type1_info_dma_avail { header = new() { id = LibC.VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL }, avail = 65530 }),
        ];

        var info = InfoChain.Iommu(reply, mapped: 5);

        Assert.Equal(4096UL, info.Alignment);
        Assert.Equal([new IovaRange(0, 0xfee00000), new IovaRange(0xfef00000, 0xffff_0110_0000)], info.Aperture);
        Assert.Equal(65535, info.MaxMappings);
    }

    [Fact]
    public void Iommu_info_of_an_old_kernel_has_the_modules_own_limit()
    {
        var info = InfoChain.Iommu(Bytes(new vfio_iommu_type1_info { flags = LibC.VFIO_IOMMU_INFO_PGSIZES, iova_pgsizes = 0x1000 }), mapped: 0);

        Assert.Equal(65535, info.MaxMappings);
        Assert.NotEmpty(info.Aperture);
    }

    [Fact]
    public void Chain_that_runs_in_a_circle_ends()
    {
        byte[] reply = [.. Bytes(new vfio_region_info { flags = LibC.VFIO_REGION_INFO_FLAG_CAPS, cap_offset = 32 }), .. Bytes(new vfio_info_cap_header { id = 9, next = 32 })];

        Assert.Null(InfoChain.SparseAreas(reply));
    }

    [Fact]
    public void Chain_of_any_bytes_is_read_within_its_bounds()
    {
        var random = new Random(20100419);
        byte[] reply = new byte[96];
        for (int i = 0; i < 20_000; i++)
        {
            random.NextBytes(reply);
            var region = MemoryMarshal.Read<vfio_region_info>(reply);
            region.flags |= LibC.VFIO_REGION_INFO_FLAG_CAPS;
            region.cap_offset = (uint)random.Next(-1, 100);
            MemoryMarshal.Write(reply, in region);
            for (int at = 32; at < 88; at += 8)
                MemoryMarshal.Write(reply.AsSpan(at), new vfio_info_cap_header { id = (ushort)random.Next(5), next = (uint)random.Next(100) });

            InfoChain.SparseAreas(reply);
            InfoChain.Iommu(reply, mapped: random.Next());
        }
    }

    private static byte[] Bytes<T>(T value)
        where T : unmanaged
    {
        byte[] bytes = new byte[Unsafe.SizeOf<T>()];
        MemoryMarshal.Write(bytes, in value);
        return bytes;
    }
}
