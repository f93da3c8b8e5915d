namespace Riser.Actors.Backends.Simulation;

/// <summary>A DMA that the simulated IOMMU refused.</summary>
/// <param name="Iova">The first IOVA that was refused.</param>
/// <param name="Write">The device wanted to write.</param>
/// <param name="Reason">Why.</param>
public readonly record struct IommuFault(ulong Iova, bool Write, IommuFaultReason Reason);

/// <summary>Why the simulated IOMMU refused a DMA.</summary>
public enum IommuFaultReason
{
    /// <summary>Nothing is mapped there.</summary>
    NotMapped,

    /// <summary>The mapping allows the other direction only.</summary>
    NotAllowed,

    /// <summary>The memory under the mapping went away.</summary>
    MemoryGone,
}

/// <summary>The latest faults of one device, bounded; the number of all is exact. Thread-safe.</summary>
internal sealed class IommuFaultLog
{
    private const int Kept = 256;

    private readonly Queue<IommuFault> _latest = [];
    private long _count;

    public long Count => Interlocked.Read(ref _count);

    public void Add(IommuFault fault)
    {
        Interlocked.Increment(ref _count);
        lock (_latest)
        {
            if (_latest.Count == Kept)
                _latest.Dequeue();
            _latest.Enqueue(fault);
        }
    }

    public IReadOnlyList<IommuFault> Latest()
    {
        lock (_latest)
            return [.. _latest];
    }
}
