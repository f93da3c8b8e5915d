using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Interop;

namespace Riser.Actors.Devices;

/// <summary>What a device and its session say to each other.</summary>
internal static class SessionProtocol
{
    /// <summary>Everything a new session sets up before it is ready: the state of its device, ready to be laid over a fresh handle.</summary>
    /// <param name="Pieces">Every mapping, at its old IOVA; without an IOMMU wherever its memory lies now.</param>
    /// <param name="Kind">The kind of vector in use.</param>
    /// <param name="EventFds">By vector number; null where a vector is not open.</param>
    /// <param name="Affinities">The CPUs of vectors that have been given some.</param>
    /// <param name="Notices">Where the session's own notices go.</param>
    public sealed record Plan(
        IReadOnlyList<DmaPiece> Pieces,
        VectorKind? Kind,
        IReadOnlyList<EventFdHandle?> EventFds,
        IReadOnlyList<(int Vector, IReadOnlyList<int> Cpus)> Affinities,
        IReadOnlyDictionary<SessionNotice, EventFdHandle> Notices);

    /// <summary>
    /// Opens the session; the first message, from the device, so that no command can come before it. (One that the session sent itself
    /// would stand behind whatever the device sent while the actor was being started.)
    /// </summary>
    public sealed record Start : INoSerializationVerificationNeeded;

    /// <summary>Carries out one command; answered by <see cref="Ran"/>, whatever happens.</summary>
    public sealed record Run(long Id, object Command) : INoSerializationVerificationNeeded;

    public sealed record Ran(long Id, long Epoch, object Reply) : INoSerializationVerificationNeeded;

    /// <param name="Epoch">The session.</param>
    /// <param name="Info">What it found.</param>
    /// <param name="Places">Where the device sees the plan's pieces, by the piece itself, if the session said that; null: at their own IOVAs.</param>
    public sealed record Opened(long Epoch, SessionInfo Info, IReadOnlyDictionary<DmaPiece, IovaRange>? Places = null) : INoSerializationVerificationNeeded;

    public sealed record Failed(long Epoch, SessionFailure Failure, Errno Errno, string Why) : INoSerializationVerificationNeeded;

    /// <summary>Ends the session in order. Everything that was sent before has been answered when <see cref="Ended"/> comes.</summary>
    public sealed record End : INoSerializationVerificationNeeded;

    public sealed record Ended(long Epoch) : INoSerializationVerificationNeeded;

    /// <summary>Asks whether the session and its device are alive.</summary>
    public sealed record Beat : INoSerializationVerificationNeeded;

    public sealed record Beating(long Epoch) : INoSerializationVerificationNeeded;

    /// <param name="Kind">All of one kind.</param>
    /// <param name="Vectors">In ascending order.</param>
    /// <param name="Affinities">The CPUs of those that have been given some.</param>
    public sealed record ArmVectors(VectorKind Kind, IReadOnlyList<(int Vector, EventFdHandle EventFd)> Vectors, IReadOnlyList<(int Vector, IReadOnlyList<int> Cpus)> Affinities);

    public sealed record MaskVectors(VectorKind Kind, int Start, int Count, bool Masked);

    public sealed record TriggerVectors(VectorKind Kind, int Start, int Count, int Times);

    public sealed record SetAffinity(VectorKind Kind, int Start, int Count, IReadOnlyList<int> Cpus);

    public sealed record LendBar(int Bar);

    /// <summary>Ends every register accessor that was lent to the former owner.</summary>
    public sealed record RevokeBars;

    public sealed record TakeInvalidations;

    public sealed record InvalidationsTaken(IReadOnlyList<Invalidation> Invalidations);

    public sealed record TakeEvents;

    /// <param name="Events">Null: the backend says no more than its notice.</param>
    public sealed record EventsTaken(IReadOnlyList<SessionEvent>? Events);

    public sealed record ReplyTo(SessionEvent Event, SessionReply Answer);

    /// <summary>Carried out; there is nothing to say.</summary>
    public sealed record Done
    {
        public static readonly Done Instance = new();
    }
}
