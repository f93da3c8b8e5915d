using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Reactor;

namespace Riser.Actors.Dma;

/// <summary>
/// What belongs to a DMA region rather than to its actor, so that a restart of the actor loses nothing. The device makes it and
/// disposes it once no session maps the region any more: memory is never given back while a device can reach it.
/// </summary>
/// <param name="iovas">Null where there is no IOMMU, and the session says where the device sees a piece.</param>
/// <param name="access">What the device may do.</param>
/// <param name="policy">What happens when memory goes away.</param>
internal sealed class DmaRegionCell(IovaAllocator? iovas, DmaAccess access, InvalidationPolicy policy) : IDisposable
{
    private static readonly DmaRegionState s_nothing = new DmaRegionState.Detached(PieceSet.Empty);

    public IovaAllocator? Iovas { get; } = iovas;

    public DmaAccess Access { get; } = access;

    public InvalidationPolicy Policy { get; } = policy;

    public DmaRegionState State { get; set; } = s_nothing;

    /// <summary>Whether the backend itself tells of memory that goes away.</summary>
    public bool BackendNotifies { get; init; }

    /// <summary>
    /// Whether this process watches a memory. A buffer of the kernel's has nothing that could go away. Where the backend notifies, the
    /// module unmaps before munmap returns, needs no userfaultfd (which a container may forbid), and costs the program less; but it sees
    /// nothing between two sessions, so what the program owns itself is watched all the same: the next session must not map an
    /// address that is somebody else's by then. Memory of Riser's own stays as long as its region. Without an IOMMU nothing is watched: unmapping would
    /// only free the pages that the device still reaches, so they stay pinned until their owner unmaps them.
    /// </summary>
    public bool Watches(DmaMemory memory) => Iovas is not null && memory.Kind != DmaMemoryKind.Buffer && (!BackendNotifies || memory.Kind == DmaMemoryKind.Foreign);

    /// <summary>Those who want to hear of the region.</summary>
    public HashSet<IActorRef>? Watchers { get; set; }

    /// <summary>What came while a request was with the device, in order.</summary>
    public Queue<(object Message, IActorRef Sender)>? Deferred { get; set; }

    /// <summary>The region's memories, one behind the other; nearly always one.</summary>
    public Held? Memories { get; set; }

    public Held? Find(DmaMemory memory)
    {
        var held = Memories;
        while (held is not null && !ReferenceEquals(held.Memory, memory))
            held = held.Next;
        return held;
    }

    public void Forget(Held gone)
    {
        if (ReferenceEquals(Memories, gone))
        {
            Memories = gone.Next;
            return;
        }
        var before = Memories;
        while (before is not null && !ReferenceEquals(before.Next, gone))
            before = before.Next;
        before?.Next = gone.Next;
    }

    public void Dispose()
    {
        BlockingThreads.Release(); // giving memory back takes its time
        for (; Memories is { } held; Memories = held.Next)
        {
            held.Watch?.Dispose();
            held.Memory.Dispose();
        }
        var underWay = State is DmaRegionState.Busy { Request: DmaRegionState.Operation.Add add } ? add.Pieces : [];
        foreach (var piece in State.Pieces.Concat(State.Lost).Concat(underWay))
            Iovas?.Release(piece.Mapping.Range);
        State = s_nothing;
    }

    /// <summary>A memory of the region, and what watches it.</summary>
    internal sealed class Held(DmaMemory memory, MemoryWatch.Watcher? watch, Held? next)
    {
        public Held? Next { get; set; } = next;

        public DmaMemory Memory => memory;

        public MemoryWatch.Watcher? Watch { get; set; } = watch;

        /// <summary>How many pieces of the region are of this memory.</summary>
        public int Pieces { get; set; }
    }
}
