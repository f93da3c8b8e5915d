using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Reactor;

namespace Riser.Actors.Dma;

/// <summary>
/// What belongs to a DMA region rather than to its actor, so that a restart of the actor loses nothing. The device makes it and
/// disposes it once no session maps the region any more: memory is never given back while a device can reach it.
/// </summary>
internal sealed class DmaRegionCell(IovaAllocator iovas, DmaAccess access, InvalidationPolicy policy) : IDisposable
{
    private static readonly DmaRegionState s_nothing = new DmaRegionState.Detached(PieceSet.Empty);

    public IovaAllocator Iovas { get; } = iovas;

    public DmaAccess Access { get; } = access;

    public InvalidationPolicy Policy { get; } = policy;

    public DmaRegionState State { get; set; } = s_nothing;

    /// <summary>Those who want to hear of the region.</summary>
    public HashSet<IActorRef>? Watchers { get; set; }

    /// <summary>What came while a request was with the device, in order.</summary>
    public Queue<(object Message, IActorRef Sender)>? Deferred { get; set; }

    /// <summary>The region's memories, each with how many of its pieces are of it and what watches it. Nearly always one.</summary>
    public List<Held> Memories { get; } = new(1);

    public Held? Find(DmaMemory memory)
    {
        foreach (var held in Memories)
        {
            if (ReferenceEquals(held.Memory, memory))
                return held;
        }
        return null;
    }

    public void Dispose()
    {
        BlockingThreads.Release(); // giving memory back takes its time
        foreach (var held in Memories)
        {
            held.Watch?.Dispose();
            held.Memory.Dispose();
        }
        Memories.Clear();
        var underWay = State is DmaRegionState.Busy { Request: DmaRegionState.Operation.Add add } ? add.Pieces : [];
        foreach (var piece in State.Pieces.Concat(State.Lost).Concat(underWay))
            Iovas.Release(piece.Mapping.Range);
        State = s_nothing;
    }

    /// <summary>A memory of the region.</summary>
    internal sealed class Held(DmaMemory memory, IDisposable? watch)
    {
        public DmaMemory Memory => memory;

        public IDisposable? Watch => watch;

        /// <summary>How many pieces of the region are of this memory.</summary>
        public int Pieces { get; set; }
    }
}
