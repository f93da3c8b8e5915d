using Akka.Actor;
using Newtonsoft.Json;
using Riser.Actors.Backends;

namespace Riser.Actors.Dma;

/// <summary>
/// What one can say to a DMA region, and what it answers. Every command answers its reply, <see cref="Refused"/>, or
/// <see cref="SessionLost"/> when the session ended while it was under way.
/// </summary>
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
    /// <param name="Iova">Where the device shall see it; null: right behind the region's last piece, or where there is room.</param>
    public sealed record Piece(DmaMemory Memory, ulong Offset = 0, ulong Size = 0, ulong? Iova = null) : INoSerializationVerificationNeeded;

    /// <summary>
    /// Adds pieces to the region while the device runs, all or none: several pieces behind one contiguous IOVA range, or
    /// parts of one memory at scattered IOVAs. Answers <see cref="PiecesAdded"/>.
    /// </summary>
    public sealed record AddPieces(IReadOnlyList<Piece> Pieces) : ICommand, INoSerializationVerificationNeeded;

    /// <summary>Takes whole pieces away while the device runs; each range is one piece's. Answers <see cref="PiecesRemoved"/>.</summary>
    public sealed record RemovePieces([property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<IovaRange> Ranges) : ICommand;

    /// <summary>Maps an unmapped or invalidated region again, at its old IOVAs. Answers <see cref="Mapped"/>.</summary>
    public sealed record Map : ICommand;

    /// <summary>Takes every piece's mapping away; once answered, no DMA can reach the memory. Answers <see cref="Unmapped"/>.</summary>
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
    /// Memory under the region went away. No DMA reaches another's memory; every piece that the loss touched is unmapped whole.
    /// </summary>
    /// <param name="Range">The piece that is no longer mapped.</param>
    /// <param name="Cause">How the memory went away.</param>
    public sealed record Invalidated(IovaRange Range, InvalidationCause Cause) : IEvent;

    /// <summary>The session ended; the region is mapped again at the same IOVAs when the next one is ready.</summary>
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
    /// <param name="Ranges">Its pieces, as the device sees them.</param>
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
