using Akka.Actor;
using Riser.Actors.Backends;

namespace Riser.Actors.Dma;

/// <summary>What a DMA region asks of its device; the device asks its session and keeps account of what has to be mapped in the next one.</summary>
internal static class DmaMapping
{
    /// <summary>Maps pieces, all or none. Answered by <see cref="Done"/>, <see cref="Refused"/> or <see cref="DmaProtocol.SessionLost"/>.</summary>
    public sealed record Add(IReadOnlyList<DmaPiece> Pieces) : INoSerializationVerificationNeeded;

    /// <summary>Unmaps pieces. Answered as <see cref="Add"/>; without a session it succeeds at once, since nothing is mapped.</summary>
    public sealed record Remove(IReadOnlyList<IovaRange> Ranges) : INoSerializationVerificationNeeded;

    /// <summary>Carried out, in session <paramref name="Epoch"/>.</summary>
    public sealed record Done(long Epoch) : INoSerializationVerificationNeeded;
}
