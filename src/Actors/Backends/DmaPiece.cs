using Riser.Actors.Interop;

namespace Riser.Actors.Backends;

/// <summary>Bytes [Start, Start + Size) of a device's address space.</summary>
/// <param name="Start">First IOVA.</param>
/// <param name="Size">Bytes; more than 0, and Start + Size - 1 does not wrap.</param>
public readonly record struct IovaRange(ulong Start, ulong Size)
{
    /// <summary>The last IOVA of the range; unlike an end it cannot wrap.</summary>
    public ulong Last => Start + Size - 1;

    /// <summary>Whether the two share a byte.</summary>
    public bool Overlaps(IovaRange other) => Size > 0 && other.Size > 0 && Start <= other.Last && other.Start <= Last;

    /// <summary>Whether every byte of <paramref name="other"/> is in this range.</summary>
    public bool Contains(IovaRange other) => other.Size > 0 && Start <= other.Start && other.Last <= Last;

    /// <inheritdoc/>
    public override string ToString() => $"0x{Start:x}-0x{Last:x}";
}

/// <summary>What the device may do with memory.</summary>
[Flags]
public enum DmaAccess
{
    /// <summary>The device reads it.</summary>
    DeviceReads = 1,

    /// <summary>The device writes it.</summary>
    DeviceWrites = 2,

    /// <summary>Both.</summary>
    ReadWrite = DeviceReads | DeviceWrites,
}

/// <summary>One contiguous mapping: <see cref="Host"/> is seen by the device at <see cref="Iova"/>.</summary>
/// <param name="Iova">First IOVA, aligned to <see cref="IommuInfo.Alignment"/>; 0 where <see cref="IommuInfo.GivesAddresses"/>, and <see cref="IPciSession.Map"/> says it.</param>
/// <param name="Host">The memory; its size is the mapping's.</param>
/// <param name="Access">What the device may do.</param>
public sealed record DmaPiece(ulong Iova, HostRange Host, DmaAccess Access)
{
    /// <summary>The memory file behind the memory, for backends that keep their own mapping as a pin; null for anonymous memory.</summary>
    internal FileDescriptor? Memfd { get; init; }

    /// <summary>The memory file is one that a session gave (<see cref="IPciSession.AllocateBuffer"/>): the kernel knows it by its descriptor.</summary>
    internal bool IsBuffer { get; init; }

    /// <summary>Where in <see cref="Memfd"/> the piece begins, in bytes.</summary>
    internal ulong MemfdOffset { get; init; }

    /// <summary>The piece as the device sees it, where IOVAs are ours to choose.</summary>
    public IovaRange Range => new(Iova, Host.Size);
}
