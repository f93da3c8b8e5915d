using Akka.Actor;
using Newtonsoft.Json;
using Riser.Actors.Backends;

namespace Riser.Actors.Dma;

/// <summary>
/// What one can say to a DMA region, and what it answers. Every command answers its reply, <see cref="Refused"/>, or
/// <see cref="SessionLost"/> when the session ended while it was under way.
/// </summary>
/// <remarks>
/// Where there is no IOMMU (<see cref="IommuInfo.GivesAddresses"/>) a piece is where its memory lies: its IOVA is a bus address that nobody chooses, each piece
/// has its own, and each session gives new ones, which <see cref="Mapped"/> says. Nothing keeps the device from any memory there: what is mapped is pinned until
/// it is unmapped or its session ends, unmapping unpins it and does no more, and memory that goes away is not told. Quiet the device before its memory goes.
/// </remarks>
public static class DmaProtocol
{
    /// <summary>Anything that a DMA region accepts.</summary>
    public interface ICommand;

    /// <summary>Anything that a DMA region tells those who <see cref="Watch"/> it.</summary>
    public interface IEvent;

    /// <summary>Part of a memory, as one piece of a region.</summary>
    /// <param name="Memory">The memory; the region owns it from now on.</param>
    /// <param name="Offset">First byte in it, page aligned.</param>
    /// <param name="Size">Bytes, a multiple of the page size; 0: to the memory's end.</param>
    /// <param name="Iova">
    /// Where the device shall see it; null: right behind the region's last piece, or where there is room. Without an IOMMU it must be null (EOPNOTSUPP): at
    /// the bus address where the piece's memory lies, which must be in one run (EINVAL): a page of 4 KiB, or of 2 MiB.
    /// </param>
    public sealed record Piece(DmaMemory Memory, ulong Offset = 0, ulong Size = 0, ulong? Iova = null) : INoSerializationVerificationNeeded;

    /// <summary>
    /// Adds pieces to the region while the device runs, all or none: several pieces behind one contiguous IOVA range, or
    /// parts of one memory at scattered IOVAs. Answers <see cref="PiecesAdded"/>. Without an IOMMU each has an address of its own, and the region
    /// refuses while its session is being replaced (EAGAIN).
    /// </summary>
    public sealed record AddPieces(IReadOnlyList<Piece> Pieces) : ICommand, INoSerializationVerificationNeeded;

    /// <summary>Takes whole pieces away while the device runs; each range is one piece's. Answers <see cref="PiecesRemoved"/>. Without an IOMMU it is refused as <see cref="AddPieces"/> is.</summary>
    public sealed record RemovePieces([property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<IovaRange> Ranges) : ICommand;

    /// <summary>
    /// Maps an unmapped or invalidated region again, at its old IOVAs (without an IOMMU: where its memory lies now). Memory that went away must be mapped in the
    /// process again, and is watched anew. Answers <see cref="Mapped"/>.
    /// </summary>
    public sealed record Map : ICommand;

    /// <summary>
    /// Takes every piece's mapping away; once answered, no DMA can reach the memory. Without an IOMMU it only ends the pin: the device reaches all
    /// memory. Answers <see cref="Unmapped"/>.
    /// </summary>
    public sealed record Unmap : ICommand;

    /// <summary>Unmaps the region, frees its memory and ends the actor. Answers <see cref="Released"/>.</summary>
    public sealed record Release : ICommand;

    /// <summary>Answers <see cref="Description"/>.</summary>
    public sealed record Describe : ICommand;

    /// <summary>Sends the sender every <see cref="IEvent"/> from now on, after a first <see cref="Description"/>. A watcher that dies is forgotten.</summary>
    public sealed record Watch : ICommand;

    /// <summary>The device can reach the region's pieces at these ranges, in session <paramref name="Epoch"/>.</summary>
    public sealed record Mapped([property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<IovaRange> Ranges, long Epoch) : IEvent;

    /// <summary>The device can no longer reach the region.</summary>
    public sealed record Unmapped([property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<IovaRange> Ranges) : IEvent;

    /// <summary>
    /// Memory under the region went away. No DMA reaches another's memory; every piece that the loss touched is unmapped whole. Where the session hangs it is
    /// told once that has returned; until then the region refuses commands (EBUSY).
    /// </summary>
    /// <param name="Range">The piece that is no longer mapped.</param>
    /// <param name="Cause">How the memory went away.</param>
    public sealed record Invalidated(IovaRange Range, InvalidationCause Cause) : IEvent;

    /// <summary>The session ended; the region is mapped again at the same IOVAs when the next one is ready, without an IOMMU at others.</summary>
    /// <param name="Epoch">The session that ended.</param>
    /// <param name="Failure">Why.</param>
    /// <param name="Command">As an answer: the command that got lost; it has changed nothing.</param>
    public sealed record SessionLost(long Epoch, SessionFailure Failure, object? Command = null) : IEvent, INoSerializationVerificationNeeded; // goes where its command can

    /// <summary>Answer to <see cref="AddPieces"/>, in the same order.</summary>
    public sealed record PiecesAdded([property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<IovaRange> Ranges) : IEvent;

    /// <summary>Answer to <see cref="RemovePieces"/>.</summary>
    public sealed record PiecesRemoved([property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<IovaRange> Ranges) : IEvent;

    /// <summary>Answer to <see cref="Release"/>.</summary>
    public sealed record Released;

    /// <summary>What a region is at one moment.</summary>
    /// <param name="Phase">Whether the device can reach it.</param>
    /// <param name="Ranges">Its pieces, as the device sees them; without an IOMMU, while it is not mapped, as it last saw them.</param>
    /// <param name="Bytes">Their sum.</param>
    /// <param name="Lost">Pieces whose memory went away; their IOVAs stay reserved, and <see cref="Map"/> tries them again.</param>
    public sealed record Description(DmaRegionPhase Phase, [property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<IovaRange> Ranges, ulong Bytes, [property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<IovaRange> Lost);
}

/// <summary>Whether the device can reach a DMA region.</summary>
public enum DmaRegionPhase
{
    /// <summary>Not mapped, by choice.</summary>
    Detached,

    /// <summary>Mapped in the present session.</summary>
    Mapped,

    /// <summary>To be mapped as soon as there is a session.</summary>
    Waiting,

    /// <summary>All its memory went away; nothing of the region is mapped.</summary>
    Invalidated,
}
