using Riser.Actors.Backends;

namespace Riser.Host.Exercise;

/// <summary>What one can say to the exerciser of a device, and what it answers.</summary>
internal static class ExerciseProtocol
{
    /// <summary>Opens the device and everything that the exercise needs, and begins. Answers <see cref="Running"/> or <see cref="Failed"/>.</summary>
    public sealed record Begin;

    /// <summary>Answers <see cref="Tally"/>, at any time.</summary>
    public sealed record Describe;

    /// <summary>Ends the load and waits until all that was triggered is delivered, for a bounded time. Answers <see cref="Stopped"/>.</summary>
    public sealed record Stop;

    /// <summary>The exercise has begun.</summary>
    public sealed record Running(DeviceId Device);

    /// <summary>The device cannot be exercised. <paramref name="Why"/> names it, the errno and the fix.</summary>
    public sealed record Failed(DeviceId Device, string Why);

    /// <summary>Answer to <see cref="Stop"/>.</summary>
    public sealed record Stopped(Tally Tally);

    /// <summary>What has passed so far, over all sessions.</summary>
    /// <param name="Device">Which device.</param>
    /// <param name="HasBegun">The exercise has begun at least once.</param>
    /// <param name="Vectors">Vectors that are open.</param>
    /// <param name="Triggered">Interrupts that were caused, as far as anyone can know.</param>
    /// <param name="Delivered">Interrupts that the exerciser has counted.</param>
    /// <param name="Messages">Messages that told of them.</param>
    /// <param name="Dma">Bytes that the device moved.</param>
    /// <param name="Problem">What went wrong last, other than a lost session; null when nothing did.</param>
    public sealed record Tally(DeviceId Device, bool HasBegun, int Vectors, long Triggered, long Delivered, long Messages, DmaTally Dma, string? Problem);
}

/// <summary>Bytes that a device moved, and what comparing them said.</summary>
/// <param name="Moved">Bytes that the device says it moved, and that were looked at.</param>
/// <param name="Verified">Bytes that are what they should be.</param>
/// <param name="Corrupt">Bytes of frames or blocks that are not.</param>
internal readonly record struct DmaTally(long Moved, long Verified, long Corrupt)
{
    public static DmaTally operator +(DmaTally a, DmaTally b) => new(a.Moved + b.Moved, a.Verified + b.Verified, a.Corrupt + b.Corrupt);

    /// <summary>Adds a block that was looked at.</summary>
    public DmaTally With(int bytes, bool right) => this + new DmaTally(bytes, right ? bytes : 0, right ? 0 : bytes);
}
