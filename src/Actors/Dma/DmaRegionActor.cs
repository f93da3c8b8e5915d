using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;
using static Riser.Actors.Dma.DmaProtocol;
using static Riser.Actors.Dma.DmaRegionState;

namespace Riser.Actors.Dma;

/// <summary>One DMA region: performs what <see cref="DmaRegionState"/> decides. Its parent is the device.</summary>
internal sealed class DmaRegionActor(DmaRegionCell cell) : UntypedActor
{
    private (object Message, IActorRef Sender) _now;
    private bool _isStopping;

    public static Props Props(DmaRegionCell cell) => Akka.Actor.Props.Create<DmaRegionActor>(cell).WithDispatcher("riser.device-dispatcher").WithMailbox(SmallMailbox.Section);

    protected override void OnReceive(object message)
    {
        if (cell.State is not Busy && cell.Deferred is { Count: > 0 } earlier)
            earlier.Enqueue((message, Sender));
        else
            Handle(message, Sender);
        while (!_isStopping && cell.State is not Busy && cell.Deferred is { Count: > 0 } waiting)
        {
            var (next, sender) = waiting.Dequeue();
            Handle(next, sender);
        }
    }

    protected override void PreRestart(Exception reason, object message)
    {
        // The cell survives; a request that was with the device is still answered to this mailbox.
        if (_now.Message is ICommand command)
            _now.Sender.Tell(new Refused(command, Errno.EIO, $"The DMA region's actor failed: {reason.Message}", "Ask for its state with Describe first."));
        foreach (var watcher in cell.Watchers ?? [])
            Context.Watch(watcher);
    }

    protected override void PostRestart(Exception reason) => Self.Tell(GoOn.Instance);

    protected override void PostStop()
    {
        while (cell.Deferred is { Count: > 0 } unanswered)
        {
            var (message, sender) = unanswered.Dequeue();
            if (message is ICommand command)
                sender.Tell(new Refused(command, Errno.ENODEV, "The DMA region has ended", "Create another one."));
        }
    }

    private void Handle(object message, IActorRef sender)
    {
        _now = (message, sender);
        switch (message)
        {
            case DmaProtocol.Watch:
                (cell.Watchers ??= []).Add(sender);
                Context.Watch(sender);
                sender.Tell(cell.State.On(new Describe(), sender, cell.Policy).Effects.OfType<Effect.Reply>().Single().Message);
                break;
            case Terminated gone:
                cell.Watchers?.Remove(gone.ActorRef);
                break;
            case AddPieces add when cell.State is not Busy:
                Add(add, sender);
                break;
            case Map map when cell.State is Detached or DmaRegionState.Invalidated:
                MapAgain(map, sender);
                break;
            case GoOn:
                break;
            default:
                Step(message, sender);
                break;
        }
    }

    private void Step(object message, IActorRef sender)
    {
        (cell.State, var effects) = cell.State.On(message, sender, cell.Policy);
        foreach (var effect in effects)
            Perform(effect, message, sender);
    }

    private void Perform(Effect effect, object message, IActorRef sender)
    {
        switch (effect)
        {
            case Effect.AskDevice ask: Context.Parent.Tell(ask.Request); break;
            case Effect.Reply reply: reply.To.Tell(reply.Message); break;
            case Effect.Publish published: Publish(published.Event); break;
            case Effect.Free free: Let(free.Pieces, giveBack: true); break;
            case Effect.Forget forget: Let(forget.Pieces, giveBack: false); break;
            case Effect.Defer: Defer(message, sender); break;
            case Effect.LookThrough: LookThrough(); break;
            case Effect.Stop: _isStopping = true; Context.Stop(Self); break;
            case Effect.Unhandled unknown: Unhandled(unknown.Message); break;
            default: throw new InvalidOperationException(effect.GetType().Name);
        }
    }

    private void Defer(object message, IActorRef sender) => (cell.Deferred ??= new()).Enqueue((message, sender));

    private void LookThrough()
    {
        var kept = cell.Deferred;
        cell.Deferred = null;
        while (kept is { Count: > 0 })
        {
            var (message, sender) = kept.Dequeue();
            Handle(message, sender);
        }
    }

    private void Publish(IEvent published)
    {
        if (cell.Watchers is not { } watchers)
            return;
        foreach (var watcher in watchers)
            watcher.Tell(published);
    }

    /// <summary>Finds IOVAs for the pieces and watches their memory, before anything is mapped: nothing slips between.</summary>
    private void Add(AddPieces add, IActorRef sender)
    {
        if (!HaveMemory(add.Pieces))
        {
            sender.Tell(new Refused(add, Errno.EINVAL, "A piece of a DMA region needs memory", "Make it with DmaMemory.Allocate or DmaMemory.FromRange."));
            return;
        }
        var placed = new List<RegionPiece>(add.Pieces.Count);
        try
        {
            for (int i = 0; i < add.Pieces.Count; i++)
                placed.Add(Place(add.Pieces[i], placed));
        }
        catch (PciException refusal)
        {
            Let(placed, giveBack: false);
            sender.Tell(Refused.Because(add, refusal));
            return;
        }
        Step(new Adding(add, new PieceSet([.. placed])), sender);
    }

    /// <summary>Memory that went away and is there again is a new one: nobody watches it yet, nor what else lies there by now.</summary>
    private void MapAgain(Map map, IActorRef sender)
    {
        try
        {
            WatchAgain(cell.State.Pieces);
            WatchAgain(cell.State.Lost);
        }
        catch (PciException refusal)
        {
            sender.Tell(Refused.Because(map, refusal));
            return;
        }
        Step(map, sender);
    }

    private void WatchAgain(IReadOnlyList<RegionPiece> pieces)
    {
        for (int i = 0; i < pieces.Count; i++)
        {
            if (cell.Find(pieces[i].Memory) is { } held)
                WatchAgain(held, pieces[i].Mapping.Host);
        }
    }

    private void WatchAgain(DmaRegionCell.Held held, HostRange piece)
    {
        if (held.Watch is not { } former || former.Covers(piece))
            return;
        held.Watch = Watch(held.Memory);
        former.Dispose();
    }

    private static bool HaveMemory(IReadOnlyList<Piece>? pieces)
    {
        for (int i = 0; i < pieces?.Count; i++)
        {
            if (pieces[i]?.Memory is null)
                return false;
        }

        return pieces is not null;
    }

    private RegionPiece Place(Piece piece, List<RegionPiece> placed)
    {
        ulong size = piece.Size == 0 ? piece.Memory.Size - Math.Min(piece.Offset, piece.Memory.Size) : piece.Size;
        if (size == 0 || piece.Offset > piece.Memory.Size || size > piece.Memory.Size - piece.Offset)
        {
            throw new PciException(
                Errno.EINVAL,
                $"A piece of 0x{size:x} bytes at offset 0x{piece.Offset:x} is not inside a memory of 0x{piece.Memory.Size:x} bytes",
                "Keep offset and size within the memory.");
        }
        if (cell.Iovas is null && piece.Memory.Kind == DmaMemoryKind.Foreign)
        {
            throw new PciException(
                Errno.EOPNOTSUPP,
                $"The memory at {piece.Memory.Range} is the program's own, and without an IOMMU nothing could keep the device from it once it goes away",
                "Use DmaMemory.Allocate, or ask the device: DeviceProtocol.AllocateMemory.");
        }
        var held = cell.Find(piece.Memory);
        if (held is null)
            cell.Memories = held = new(piece.Memory, Watch(piece.Memory), cell.Memories);
        else
            WatchAgain(held, new(piece.Memory.Range.Address + piece.Offset, size));
        held.Pieces++;
        try
        {
            var range = Reserve(piece.Iova, size, placed);
            return new(piece.Memory, piece.Memory.Piece(range.Start, piece.Offset, size, cell.Access));
        }
        catch (PciException)
        {
            Let(held, giveBack: false);
            throw;
        }
    }

    private IovaRange Reserve(ulong? iova, ulong size, List<RegionPiece> placed)
    {
        if (cell.Iovas is not { } iovas)
        {
            return iova is null
                ? new(0, size) // the session says where
                : throw new PciException(
                    Errno.EOPNOTSUPP,
                    $"IOVA 0x{iova:x} cannot be had: without an IOMMU the device sees memory at the bus address where it lies",
                    "Leave the IOVA open, and take it from the answer.");
        }
        if (iova is { } wanted)
        {
            var range = new IovaRange(wanted, size);
            iovas.Reserve(range);
            return range;
        }
        // Right behind the last piece, so that pieces make one contiguous range; elsewhere if that is taken.
        var last = placed.Count > 0 ? placed[^1] : cell.State.Pieces.Count > 0 ? cell.State.Pieces[^1] : null;
        if (last is not null && last.Mapping.Range.Last + 1 is not 0 and var start && iovas.TryReserve(new(start, size)))
            return new(start, size);
        return iovas.Allocate(size);
    }

    private void Let(IReadOnlyList<RegionPiece> pieces, bool giveBack)
    {
        for (int i = 0; i < pieces.Count; i++)
        {
            var piece = pieces[i];
            cell.Iovas?.Release(piece.Mapping.Range);
            if (cell.Find(piece.Memory) is { } held)
                Let(held, giveBack);
        }
    }

    // With its last piece a memory leaves the region.
    private void Let(DmaRegionCell.Held held, bool giveBack)
    {
        if (--held.Pieces > 0)
            return;
        cell.Forget(held);
        held.Watch?.Dispose();
        if (giveBack)
            held.Memory.Dispose();
    }

    private MemoryWatch.Watcher? Watch(DmaMemory memory)
    {
        if (!cell.Watches(memory) || !MemoryWatch.IsSupported(out _))
            return null;
        try
        {
            return MemoryWatch.Shared.Watch(memory.Range, Self, static (self, e) => ((IActorRef)self).Tell(new MemoryGone(e.Range, CauseOf(e.Kind)), ActorRefs.NoSender));
        }
        catch (NativeException fault)
        {
            throw new PciException(
                fault.Errno,
                $"The memory at {memory.Range} cannot be watched for what becomes of it: {fault.Message}",
                fault.Errno == Errno.EBUSY ? "Another userfaultfd has it; use memory that nothing else watches." : "Give memory that is mapped in this process: anonymous, a memfd or huge pages.",
                inner: fault);
        }
    }

    private static InvalidationCause CauseOf(MemoryEventKind kind) => kind switch
    {
        MemoryEventKind.Unmapped => InvalidationCause.Unmapped,
        MemoryEventKind.Moved => InvalidationCause.Moved,
        _ => InvalidationCause.Dropped,
    };

    /// <summary>After a restart: what was deferred, in case nothing else comes.</summary>
    private sealed record GoOn : INoSerializationVerificationNeeded
    {
        public static readonly GoOn Instance = new();
    }
}
