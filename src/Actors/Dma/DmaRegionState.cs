using Akka.Actor;
using Riser.Actors.Backends;
using static Riser.Actors.Dma.DmaProtocol;

namespace Riser.Actors.Dma;

/// <summary>
/// What a DMA region is, without an actor around it: a message goes in, the next state and what to do come out.
/// <code>
/// Detached ◀──Unmap── Mapped ──session lost──▶ Waiting ──session ready──▶ Mapped
///     └─────Map─────▶   │ memory gone: touched pieces are unmapped; some are left: Mapped, none: Invalidated
///                       └── policy Remap: dropped content is mapped again ──▶ Mapped
/// Busy: one request is with the device; commands wait, in order. While that waits for a session that hangs, they are refused.
/// </code>
/// </summary>
internal abstract record DmaRegionState
{
    private DmaRegionState()
    {
    }

    /// <summary>Pieces that belong to the region and are mapped, or would be if there were a session.</summary>
    public abstract IReadOnlyList<RegionPiece> Pieces { get; init; }

    /// <summary>Pieces whose memory went away. They are not mapped; their IOVAs stay reserved.</summary>
    public IReadOnlyList<RegionPiece> Lost { get; init; } = PieceSet.Empty;

    public sealed record Detached(IReadOnlyList<RegionPiece> Pieces) : DmaRegionState
    {
        public override IReadOnlyList<RegionPiece> Pieces { get; init; } = Pieces;
    }

    public sealed record Mapped(IReadOnlyList<RegionPiece> Pieces, long Epoch) : DmaRegionState
    {
        public override IReadOnlyList<RegionPiece> Pieces { get; init; } = Pieces;
    }

    public sealed record Waiting(IReadOnlyList<RegionPiece> Pieces) : DmaRegionState
    {
        public override IReadOnlyList<RegionPiece> Pieces { get; init; } = Pieces;
    }

    public sealed record Invalidated : DmaRegionState
    {
        public override IReadOnlyList<RegionPiece> Pieces { get; init; } = PieceSet.Empty;
    }

    /// <summary>A request is with the device. <paramref name="Before"/> is where a refusal or a lost session leads back to.</summary>
    public sealed record Busy(DmaRegionState Before, Operation Request, ICommand? Command, IActorRef ReplyTo) : DmaRegionState
    {
        public override IReadOnlyList<RegionPiece> Pieces { get => Before.Pieces; init => throw new NotSupportedException(); }

        /// <summary>Set while the request waits for a session that hangs.</summary>
        public DmaMapping.Stuck? Stuck { get; init; }

        public Step Finish(DmaMapping.Done done, InvalidationPolicy policy)
        {
            switch (Request)
            {
                case Operation.Add add:
                    var added = PieceSet.Of(add.Pieces).At(done.Ranges);
                    return Leave(new Mapped(PieceSet.Of(Pieces).With(added), done.Epoch) { Lost = Lost }, new PiecesAdded(added.Ranges));
                case Operation.Remove remove:
                    return Leave(Without(Before, remove.Pieces, keepLost: false), new PiecesRemoved(remove.Ranges), new Effect.Free(remove.Pieces));
                case Operation.MapAll:
                    var all = All(Pieces, Lost).At(done.Ranges);
                    return Leave(new Mapped(all, done.Epoch), new DmaProtocol.Mapped(all.Ranges, done.Epoch));
                case Operation.UnmapAll:
                    return Leave(new Detached(Pieces) { Lost = Lost }, new Unmapped(RangesOf(Pieces)));
                case Operation.Release:
                    return To(new Detached(Pieces) { Lost = Lost }, new Effect.Publish(new Unmapped(RangesOf(Pieces))), new Effect.Reply(ReplyTo, new Released()), new Effect.Stop());
                case Operation.Invalidate gone:
                    Effect[] told = [.. gone.Touched.Select(p => new Effect.Publish(new DmaProtocol.Invalidated(p.Range, gone.Cause)))];
                    var less = Without(Before, gone.Touched, keepLost: true);
                    if (policy == InvalidationPolicy.Remap && gone.Cause == InvalidationCause.Dropped)
                        return To(new Busy(less, new Operation.Remap(gone.Touched), null, ActorRefs.Nobody) { Lost = less.Lost }, [.. told, new Effect.AskDevice(new DmaMapping.Add(Wire(gone.Touched)))]);
                    return To(less, [.. told]);
                case Operation.Remap again:
                    var whole = PieceSet.Of(Pieces).With(again.Touched);
                    return Leave(new Mapped(whole, done.Epoch) { Lost = PieceSet.Of(Lost).Without(again.Touched) }, new DmaProtocol.Mapped(RangesOf(whole), done.Epoch));
                default:
                    throw new InvalidOperationException(Request.GetType().Name);
            }
        }

        /// <summary>Refused: all is as it was before. A refused remap leaves its pieces lost.</summary>
        public Step Fail(Refused refused) =>
            To(Before, [.. Command is null ? Array.Empty<Effect>() : [new Effect.Reply(ReplyTo, refused with { Command = Command })], .. Undo()]);

        /// <summary>
        /// The session took the request with it; it changed nothing. That the session is gone is told by a message of its own, which waits behind
        /// this answer. Memory that is gone must not be mapped in the next session: the device is asked again.
        /// </summary>
        public Step Lose(DmaProtocol.SessionLost lost) => Request is Operation.Invalidate gone
            ? To(this, new Effect.AskDevice(new DmaMapping.Remove(Wire(gone.Touched), Gone: true)))
            : To(Before, [.. Command is null ? Array.Empty<Effect>() : [new Effect.Reply(ReplyTo, lost with { Command = Command })], .. Undo()]);

        private Effect[] Undo() => Request is Operation.Add add ? [new Effect.Forget(add.Pieces)] : [];

        private Step Leave(DmaRegionState next, IEvent done, Effect? more = null) => (Command, more) switch
        {
            (null, null) => To(next, new Effect.Publish(done)),
            (null, _) => To(next, new Effect.Publish(done), more),
            (_, null) => To(next, new Effect.Reply(ReplyTo, done), new Effect.Publish(done)),
            _ => To(next, new Effect.Reply(ReplyTo, done), new Effect.Publish(done), more),
        };
    }

    public DmaRegionPhase Phase => this switch
    {
        Detached => DmaRegionPhase.Detached,
        Mapped => DmaRegionPhase.Mapped,
        Waiting => DmaRegionPhase.Waiting,
        Invalidated => DmaRegionPhase.Invalidated,
        Busy busy => busy.Before.Phase,
        _ => throw new InvalidOperationException(GetType().Name),
    };

    public Step On(object message, IActorRef sender, InvalidationPolicy policy) => (this, message) switch
    {
        (_, DmaProtocol.Describe) => Stay(new Effect.Reply(sender, Describe())),
        (Busy busy, DmaMapping.Done done) => busy.Finish(done, policy),
        (Busy busy, Refused refused) => busy.Fail(refused),
        (Busy busy, DmaProtocol.SessionLost { Command: not null } lost) => busy.Lose(lost),
        (Busy busy, DmaMapping.Stuck stuck) => To(busy with { Stuck = stuck }, Effect.LookThrough.Instance),
        (Busy { Stuck: { } stuck }, ICommand command) => Stay(new Effect.Reply(sender, new Refused(command, Errno.EBUSY, stuck.Why, stuck.Fix))),
        (Busy, ICommand or Adding or MemoryGone or PieceGone or SessionBegun or DmaProtocol.SessionLost) => Stay(Effect.Defer.Instance),

        (Waiting { Pieces: [PlacedPiece, ..] }, RemovePieces remove) => Stay(new Effect.Reply(sender, Moving(remove))),
        (Waiting { Pieces: [PlacedPiece, ..] }, Adding adding) => Stay(new Effect.Forget(adding.Pieces), new Effect.Reply(sender, Moving(adding.Command))),
        (Mapped or Waiting or Detached { Pieces: [], Lost: [] }, Adding adding) => Ask(new Operation.Add(adding.Pieces), adding.Command, sender, new DmaMapping.Add(Wire(adding.Pieces))),
        (Mapped or Waiting, RemovePieces remove) => Remove(remove, sender),
        (Detached or Invalidated, Map map) => Ask(new Operation.MapAll(), map, sender, new DmaMapping.Add(Wire(All(Pieces, Lost)))),
        (Mapped or Waiting, Unmap unmap) => Ask(new Operation.UnmapAll(), unmap, sender, new DmaMapping.Remove(Wire(Pieces))),
        (Mapped or Waiting, Release release) => Ask(new Operation.Release(), release, sender, new DmaMapping.Remove(Wire(Pieces))),
        (Detached or Invalidated, Release) => Stay(new Effect.Reply(sender, new Released()), new Effect.Stop()),
        (_, Adding adding) => To(this, [new Effect.Forget(adding.Pieces), .. Refuse(adding.Command, sender).Effects]),
        (_, ICommand command) => Refuse(command, sender),

        (Mapped, DmaProtocol.SessionLost lost) => To(new Waiting(Pieces) { Lost = Lost }, new Effect.Publish(lost)),
        (Waiting, SessionBegun begun) => Begin(begun),
        (_, DmaProtocol.SessionLost lost) => Stay(new Effect.Publish(lost)),
        (_, SessionBegun) => Stay(),
        (_, MemoryGone gone) => Invalidate(p => p.Mapping.Host.Overlaps(gone.Range), gone.Cause),
        (_, PieceGone gone) => Invalidate(p => p.Range == gone.Range, gone.Cause),
        _ => Stay(new Effect.Unhandled(message)),
    };

    public static IReadOnlyList<IovaRange> RangesOf(IReadOnlyList<RegionPiece> pieces) => PieceSet.Of(pieces).Ranges;

    private static IReadOnlyList<DmaPiece> Wire(IReadOnlyList<RegionPiece> pieces) => PieceSet.Of(pieces).Mappings;

    private static PieceSet All(IReadOnlyList<RegionPiece> pieces, IReadOnlyList<RegionPiece> lost) => PieceSet.Of(pieces).With(lost);

    private Description Describe() =>
        new(Phase, RangesOf(Pieces), Pieces.Aggregate(0UL, (sum, p) => sum + p.Mapping.Host.Size), RangesOf(Lost));

    private Step Ask(Operation operation, ICommand? command, IActorRef sender, object request) =>
        To(new Busy(this, operation, command, sender) { Lost = Lost }, new Effect.AskDevice(request));

    private Step Begin(SessionBegun begun)
    {
        var pieces = begun.Places is { } places ? PieceSet.Of(Pieces).At(places) : Pieces;
        return To(new Mapped(pieces, begun.Epoch) { Lost = Lost }, new Effect.Publish(new DmaProtocol.Mapped(RangesOf(pieces), begun.Epoch)));
    }

    private static Refused Moving(ICommand command) => new(
        command,
        Errno.EAGAIN,
        "There is no IOMMU, and the region's pieces have other addresses in the next session",
        "Wait for Mapped, which says them.");

    private Step Remove(RemovePieces remove, IActorRef sender)
    {
        if (remove.Ranges is null)
            return Stay(new Effect.Reply(sender, new Refused(remove, Errno.EINVAL, "A piece is named twice, or no list is given", "Name each piece once.")));
        if (PieceSet.Of(Pieces).Find(remove.Ranges, out var missing) is not { } going)
        {
            return Stay(new Effect.Reply(sender, new Refused(
                remove,
                Errno.ENOENT,
                $"{missing} is no piece of this region",
                "Name whole pieces, as PiecesAdded and Describe give them.")));
        }
        return going.HasOneTwice
            ? Stay(new Effect.Reply(sender, new Refused(remove, Errno.EINVAL, "A piece is named twice, or no list is given", "Name each piece once.")))
            : Ask(new Operation.Remove(remove.Ranges, going), remove, sender, new DmaMapping.Remove(going.Mappings));
    }

    private Step Invalidate(Func<RegionPiece, bool> isTouched, InvalidationCause cause)
    {
        IReadOnlyList<RegionPiece> touched = [.. Pieces.Where(isTouched)];
        if (touched.Count == 0)
            return Stay();
        if (this is Detached)
            return To(Without(this, touched, keepLost: true), [.. touched.Select(p => new Effect.Publish(new DmaProtocol.Invalidated(p.Range, cause)))]);
        return Ask(new Operation.Invalidate(touched, cause), command: null, ActorRefs.Nobody, new DmaMapping.Remove(Wire(touched), Gone: true));
    }

    private Step Refuse(ICommand command, IActorRef sender) => Stay(new Effect.Reply(sender, new Refused(
        command,
        Errno.EINVAL,
        $"{command.GetType().Name} does not apply to a DMA region that is {Phase}",
        "Ask for its state with Describe first.")));

    // A region that has lost its last piece is Invalidated; one that still has some stays what it was.
    private static DmaRegionState Without(DmaRegionState state, IReadOnlyList<RegionPiece> gone, bool keepLost)
    {
        var left = PieceSet.Of(state.Pieces).Without(gone);
        var lost = keepLost ? PieceSet.Of(state.Lost).With(gone) : state.Lost;
        return left.Count == 0 && lost.Count > 0 ? new Invalidated { Lost = lost } : state with { Pieces = left, Lost = lost };
    }

    private Step Stay(params Effect[] effects) => new(this, effects);

    private static Step To(DmaRegionState next, params Effect[] effects) => new(next, effects);

    internal readonly record struct Step(DmaRegionState Next, Effect[] Effects);

    /// <summary>Part of a memory and where the device sees it.</summary>
    internal class RegionPiece(DmaMemory memory, DmaPiece mapping)
    {
        public DmaMemory Memory => memory;

        /// <summary>As it is asked of every session; the same object for as long as the piece belongs to its region.</summary>
        public DmaPiece Mapping => mapping;

        /// <summary>Where the device sees it.</summary>
        public virtual IovaRange Range => mapping.Range;

        public RegionPiece At(IovaRange range) => new PlacedPiece(memory, mapping, range);
    }

    /// <summary>A piece that has no IOVA of its own: there is no IOMMU, and each session says where the device sees it.</summary>
    internal sealed class PlacedPiece(DmaMemory memory, DmaPiece mapping, IovaRange range) : RegionPiece(memory, mapping)
    {
        public override IovaRange Range => range;
    }

    /// <summary>Pieces whose IOVAs have been reserved, about to be mapped.</summary>
    internal sealed record Adding(AddPieces Command, IReadOnlyList<RegionPiece> Pieces);

    /// <summary>The region's mappings are part of a new session.</summary>
    /// <param name="Epoch">The session.</param>
    /// <param name="Places">Where the device sees them, by the piece itself; null: at their old IOVAs.</param>
    internal sealed record SessionBegun(long Epoch, IReadOnlyDictionary<DmaPiece, IovaRange>? Places = null) : INoSerializationVerificationNeeded;

    /// <summary>The kernel says that memory went away.</summary>
    internal sealed record MemoryGone(HostRange Range, InvalidationCause Cause) : INoSerializationVerificationNeeded;

    /// <summary>The backend has unmapped one piece, whole, because its memory went away.</summary>
    internal sealed record PieceGone(IovaRange Range, InvalidationCause Cause) : INoSerializationVerificationNeeded;

    /// <summary>What the device was asked for.</summary>
    internal abstract record Operation
    {
        public sealed record Add(IReadOnlyList<RegionPiece> Pieces) : Operation;

        public sealed record Remove(IReadOnlyList<IovaRange> Ranges, IReadOnlyList<RegionPiece> Pieces) : Operation;

        public sealed record MapAll : Operation;

        public sealed record UnmapAll : Operation;

        public sealed record Release : Operation;

        public sealed record Invalidate(IReadOnlyList<RegionPiece> Touched, InvalidationCause Cause) : Operation;

        /// <summary>Policy Remap, second half: the touched pieces are mapped again.</summary>
        public sealed record Remap(IReadOnlyList<RegionPiece> Touched) : Operation;
    }

    /// <summary>What the actor does about it, in order.</summary>
    internal abstract record Effect
    {
        public sealed record AskDevice(object Request) : Effect;

        public sealed record Reply(IActorRef To, object Message) : Effect;

        public sealed record Publish(IEvent Event) : Effect;

        /// <summary>Pieces that no longer belong to the region: their IOVAs are free, and memory that no piece uses is given back.</summary>
        public sealed record Free(IReadOnlyList<RegionPiece> Pieces) : Effect;

        /// <summary>Pieces that never came to belong to the region: their IOVAs are free, their memory stays its sender's.</summary>
        public sealed record Forget(IReadOnlyList<RegionPiece> Pieces) : Effect;

        /// <summary>Keeps the message until the request under way is answered; what was kept comes before anything newer.</summary>
        public sealed record Defer : Effect
        {
            public static readonly Defer Instance = new();
        }

        /// <summary>Takes what was kept once more, because commands among it need not wait any longer.</summary>
        public sealed record LookThrough : Effect
        {
            public static readonly LookThrough Instance = new();
        }

        public sealed record Stop : Effect;

        public sealed record Unhandled(object Message) : Effect;
    }
}
