using Akka.Actor;
using Riser.Actors.Backends;

namespace Riser.Actors.Dma;

/// <summary>
/// What belongs to a DMA region rather than to its actor, so that a restart of the actor loses nothing. The device makes it and
/// disposes it once no session maps the region any more: memory is never given back while a device can reach it.
/// </summary>
internal sealed class DmaRegionCell(IovaAllocator iovas, DmaAccess access, InvalidationPolicy policy) : IDisposable
{
    public IovaAllocator Iovas { get; } = iovas;

    public DmaAccess Access { get; } = access;

    public InvalidationPolicy Policy { get; } = policy;

    public DmaRegionState State { get; set; } = new DmaRegionState.Detached([]);

    /// <summary>Those who want to hear of the region.</summary>
    public HashSet<IActorRef> Watchers { get; } = [];

    /// <summary>What watches the region's memories for it.</summary>
    public Dictionary<DmaMemory, IDisposable?> Memories { get; } = [];

    public void Dispose()
    {
        foreach (var (memory, watch) in Memories)
        {
            watch?.Dispose();
            memory.Dispose();
        }
        Memories.Clear();
        foreach (var piece in State.Pieces.Concat(State.Lost))
            Iovas.Release(piece.Mapping.Range);
        State = new DmaRegionState.Detached([]);
    }
}
