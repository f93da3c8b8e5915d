using Akka.Actor;
using Riser.Actors.Backends;

namespace Riser.Actors.Dma;

/// <summary>What a DMA region asks of its device; the device asks its session and keeps account of what has to be mapped in the next one.</summary>
internal static class DmaMapping
{
    /// <summary>Maps pieces, all or none. Answered by <see cref="Done"/>, <see cref="Refused"/> or <see cref="DmaProtocol.SessionLost"/>.</summary>
    public sealed record Add(IReadOnlyList<DmaPiece> Pieces) : INoSerializationVerificationNeeded;

    /// <summary>
    /// Unmaps pieces, the very ones that were added: without an IOMMU only the session knows where they are now. Answered as
    /// <see cref="Add"/>; without a session it succeeds at once, since nothing is mapped.
    /// </summary>
    /// <param name="Pieces">Which.</param>
    /// <param name="Gone">
    /// Their memory is gone: they must not be mapped in any later session. Where the session hangs this is not refused but carried out once it has
    /// returned; until then the device answers <see cref="Stuck"/>.
    /// </param>
    public sealed record Remove(IReadOnlyList<DmaPiece> Pieces, bool Gone = false) : INoSerializationVerificationNeeded;

    /// <summary>What was asked for waits for a session that hangs; the answer comes when that has returned.</summary>
    /// <param name="Why">What is wrong.</param>
    /// <param name="Fix">What can be done.</param>
    public sealed record Stuck(string Why, string Fix) : INoSerializationVerificationNeeded;

    /// <summary>Carried out, in session <paramref name="Epoch"/>.</summary>
    /// <param name="Epoch">The session.</param>
    /// <param name="Ranges">Where the device sees added pieces, if the session said that; null: at their own IOVAs.</param>
    public sealed record Done(long Epoch, IReadOnlyList<IovaRange>? Ranges = null) : INoSerializationVerificationNeeded;
}
