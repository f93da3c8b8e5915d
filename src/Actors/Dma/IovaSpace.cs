using Riser.Actors.Backends;

namespace Riser.Actors.Dma;

/// <summary>
/// The IOVAs of one IOMMU group, shared by the devices in it. The first session says what the address space is like.
/// Thread-safe.
/// </summary>
internal sealed class IovaSpace
{
    private readonly Lock _lock = new();
    private IovaAllocator? _allocator;

    public IovaAllocator For(IommuInfo iommu)
    {
        lock (_lock)
            return _allocator ??= new IovaAllocator(iommu);
    }
}
