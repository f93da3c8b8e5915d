using Akka.Actor;
using Akka.Event;
using Riser.Actors.Backends;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;
using static Riser.Actors.Dma.DmaProtocol;
using static Riser.Actors.Dma.DmaRegionState;

namespace Riser.Actors.Dma;

/// <summary>One DMA region: performs what <see cref="DmaRegionState"/> decides. Its parent is the device.</summary>
internal sealed class DmaRegionActor(DmaRegionCell cell) : UntypedActor, IWithUnboundedStash
{
    private readonly ILoggingAdapter _log = Context.GetLogger();

    public IStash Stash { get; set; } = null!;

    public static Props Props(DmaRegionCell cell) => Akka.Actor.Props.Create(() => new DmaRegionActor(cell));

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case DmaProtocol.Watch:
                cell.Watchers.Add(Sender);
                Context.Watch(Sender);
                Sender.Tell(cell.State.On(new Describe(), Sender, cell.Policy).Effects.OfType<Effect.Reply>().Single().Message);
                break;
            case Terminated gone:
                cell.Watchers.Remove(gone.ActorRef);
                break;
            case AddPieces add:
                Add(add);
                break;
            default:
                Step(message);
                break;
        }
    }

    protected override void PreRestart(Exception reason, object message)
    {
        // The cell survives; a request that was with the device is still answered to this mailbox.
        if (message is ICommand command)
            Sender.Tell(new Refused(command, Errno.EIO, $"The DMA region's actor failed: {reason.Message}", "Ask for its state with Describe first."));
        foreach (var watcher in cell.Watchers)
            Context.Watch(watcher);
        base.PreRestart(reason, message);
    }

    private void Step(object message)
    {
        (cell.State, var effects) = cell.State.On(message, Sender, cell.Policy);
        foreach (var effect in effects)
            Perform(effect);
    }

    private void Perform(Effect effect)
    {
        switch (effect)
        {
            case Effect.AskDevice ask: Context.Parent.Tell(ask.Request); break;
            case Effect.Reply reply: reply.To.Tell(reply.Message); break;
            case Effect.Publish published: Publish(published.Event); break;
            case Effect.Free free: Let(free.Pieces, giveBack: true); break;
            case Effect.Forget forget: Let(forget.Pieces, giveBack: false); break;
            case Effect.Defer: Stash.Stash(); break;
            case Effect.Resume: Stash.UnstashAll(); break;
            case Effect.Stop: Context.Stop(Self); break;
            case Effect.Unhandled unknown: Unhandled(unknown.Message); break;
            default: throw new InvalidOperationException(effect.GetType().Name);
        }
    }

    private void Publish(IEvent published)
    {
        foreach (var watcher in cell.Watchers)
            watcher.Tell(published);
    }

    /// <summary>Finds IOVAs for the pieces and watches their memory, before anything is mapped: nothing slips between.</summary>
    private void Add(AddPieces add)
    {
        if (cell.State is Busy)
        {
            Stash.Stash();
            return;
        }

        if (add.Pieces is null || add.Pieces.Any(piece => piece?.Memory is null))
        {
            Sender.Tell(new Refused(add, Errno.EINVAL, "A piece of a DMA region needs memory", "Make it with DmaMemory.Allocate or DmaMemory.FromRange."));
            return;
        }
        List<RegionPiece> placed = [];
        try
        {
            foreach (var piece in add.Pieces)
                placed.Add(Place(piece, placed));
            foreach (var piece in placed)
                Watch(piece.Memory);
        }
        catch (PciException refusal)
        {
            Let(placed, giveBack: false);
            Sender.Tell(Refused.Because(add, refusal));
            return;
        }
        Step(new Adding(add, placed));
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
        var access = cell.Access;
        var range = Reserve(piece.Iova, size, placed);
        return new(piece.Memory, piece.Memory.Piece(range.Start, piece.Offset, size, access));
    }

    private IovaRange Reserve(ulong? iova, ulong size, List<RegionPiece> placed)
    {
        if (iova is { } wanted)
        {
            var range = new IovaRange(wanted, size);
            cell.Iovas.Reserve(range);
            return range;
        }
        // Right behind the last piece, so that pieces make one contiguous range; elsewhere if that is taken.
        if ((placed.LastOrDefault() ?? cell.State.Pieces.LastOrDefault()) is { } last && last.Mapping.Range.Last + 1 != 0)
        {
            var next = new IovaRange(last.Mapping.Range.Last + 1, size);
            try
            {
                cell.Iovas.Reserve(next);
                return next;
            }
            catch (PciException taken)
            {
                _log.Debug("{0} is not free behind the last piece: {1}", next, taken.Message);
            }
        }
        return cell.Iovas.Allocate(size);
    }

    private void Let(IReadOnlyList<RegionPiece> pieces, bool giveBack)
    {
        foreach (var piece in pieces)
        {
            cell.Iovas.Release(piece.Mapping.Range);
            if (cell.State.Pieces.Concat(cell.State.Lost).Any(p => p.Memory == piece.Memory) || !cell.Memories.Remove(piece.Memory, out var watch))
                continue;
            watch?.Dispose();
            if (giveBack)
                piece.Memory.Dispose();
        }
    }

    private void Watch(DmaMemory memory)
    {
        if (cell.Memories.ContainsKey(memory))
            return;
        var self = Self;
        try
        {
            cell.Memories[memory] = MemoryWatch.IsSupported(out _)
                ? MemoryWatch.Shared.Watch(memory.Range, e => self.Tell(new MemoryGone(e.Range, CauseOf(e.Kind)), ActorRefs.NoSender))
                : null;
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
}
