using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Vfio;

/// <summary>The capabilities behind the structure of an INFO call (linux/vfio.h, "capability chain"). Never reads outside the reply.</summary>
internal static class InfoChain
{
    /// <summary>The bytes of one capability, its header included, up to the end of the reply; empty when it is not there.</summary>
    /// <param name="reply">What the kernel filled in; offsets count from its beginning.</param>
    /// <param name="first">Offset of the first capability; 0 for none.</param>
    /// <param name="id">Which capability.</param>
    public static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> reply, uint first, ushort id)
    {
        int header = Unsafe.SizeOf<vfio_info_cap_header>();
        uint at = first;
        for (int seen = 0; at != 0 && seen < reply.Length / header; seen++) // a chain that runs in a circle ends as well
        {
            if (at > reply.Length - header)
                return default;
            var capability = MemoryMarshal.Read<vfio_info_cap_header>(reply[(int)at..]);
            if (capability.id == id)
                return reply[(int)at..];
            at = capability.next;
        }

        return default;
    }

    /// <summary>The ranges of a region that can be mapped; null when VFIO says nothing of it, i.e. the whole region can.</summary>
    public static IReadOnlyList<(ulong Offset, ulong Size)>? SparseAreas(ReadOnlySpan<byte> reply)
    {
        var info = MemoryMarshal.Read<vfio_region_info>(reply);
        if ((info.flags & LibC.VFIO_REGION_INFO_FLAG_CAPS) == 0)
            return null;
        var capability = Find(reply, info.cap_offset, LibC.VFIO_REGION_INFO_CAP_SPARSE_MMAP);
        if (capability.Length < Unsafe.SizeOf<vfio_region_info_cap_sparse_mmap>())
            return null;
        uint count = MemoryMarshal.Read<vfio_region_info_cap_sparse_mmap>(capability).nr_areas;
        return [.. Array<vfio_region_sparse_mmap_area>(capability[Unsafe.SizeOf<vfio_region_info_cap_sparse_mmap>()..], count).Select(a => (a.offset, a.size))];
    }

    /// <summary>What a container says of its IOMMU.</summary>
    /// <param name="reply">The answer of VFIO_IOMMU_GET_INFO.</param>
    /// <param name="mapped">How many pieces are mapped now; the kernel only tells how many more there can be.</param>
    public static IommuInfo Iommu(ReadOnlySpan<byte> reply, int mapped)
    {
        const uint EntryLimit = ushort.MaxValue; // dma_entry_limit of vfio_iommu_type1, where the kernel does not tell (before 5.10)

        var info = MemoryMarshal.Read<vfio_iommu_type1_info>(reply);
        ulong pageSizes = (info.flags & LibC.VFIO_IOMMU_INFO_PGSIZES) != 0 && info.iova_pgsizes != 0 ? info.iova_pgsizes : 4096;
        uint first = (info.flags & LibC.VFIO_IOMMU_INFO_CAPS) != 0 ? info.cap_offset : 0;

        var ranges = Find(reply, first, LibC.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
        int head = Unsafe.SizeOf<vfio_iommu_type1_info_cap_iova_range>();
        IovaRange[] aperture = ranges.Length < head
            ? [new(0, 1UL << 39)] // the least that IOMMUs translate: three levels of page tables
            : [.. Array<vfio_iova_range>(ranges[head..], MemoryMarshal.Read<vfio_iommu_type1_info_cap_iova_range>(ranges).nr_iovas).Where(r => r.end >= r.start).Select(Range)];

        var avail = Find(reply, first, LibC.VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
        uint free = avail.Length < Unsafe.SizeOf<vfio_iommu_type1_info_dma_avail>()
            ? EntryLimit - (uint)Math.Min(mapped, EntryLimit)
            : MemoryMarshal.Read<vfio_iommu_type1_info_dma_avail>(avail).avail;
        return new(Present: true, pageSizes, aperture, (int)Math.Min(free + (ulong)mapped, int.MaxValue));
    }

    // A range over all 64 bits has a size that does not fit; its last byte is given up.
    private static IovaRange Range(vfio_iova_range range) => new(range.start, range.end - range.start == ulong.MaxValue ? ulong.MaxValue : range.end - range.start + 1);

    private static T[] Array<T>(ReadOnlySpan<byte> bytes, uint count)
        where T : unmanaged
    {
        int there = (int)Math.Min(count, (uint)(bytes.Length / Unsafe.SizeOf<T>()));
        return MemoryMarshal.Cast<byte, T>(bytes[..(there * Unsafe.SizeOf<T>())]).ToArray();
    }
}
