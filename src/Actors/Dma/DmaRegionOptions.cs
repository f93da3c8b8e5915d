using Riser.Actors.Backends;

namespace Riser.Actors.Dma;

/// <summary>What a new DMA region is to be.</summary>
/// <param name="Memory">The memory; the region owns it from now on. Without an IOMMU: one page of 4 KiB or 2 MiB, and not the program's own (EOPNOTSUPP).</param>
/// <param name="Iova">Where the device shall see it, aligned to the IOMMU's page size; null lets the region choose. Without an IOMMU it must be null.</param>
/// <param name="Access">What the device may do.</param>
/// <param name="Policy">What happens when the memory goes away.</param>
public sealed record DmaRegionOptions(
    DmaMemory Memory,
    ulong? Iova = null,
    DmaAccess Access = DmaAccess.ReadWrite,
    InvalidationPolicy Policy = InvalidationPolicy.Fail);

/// <summary>What a DMA region does once memory under it has gone away and nothing can reach it any more.</summary>
public enum InvalidationPolicy
{
    /// <summary>It stays <c>Invalidated</c>; its owner decides.</summary>
    Fail,

    /// <summary>What is left under the same addresses (after DONTNEED or REMOVE: fresh pages) is mapped again at the same IOVAs.</summary>
    Remap,
}
