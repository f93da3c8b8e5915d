using System.Collections.Concurrent;
using Riser.Actors.Backends;
using Riser.Actors.Interrupts;

namespace Riser.Actors.Devices;

/// <summary>What a device counts, written by its actor and readable from any thread.</summary>
internal sealed class DeviceCounters(DeviceId device)
{
    private VectorChannel[] _channels = [];
    private long _closedInterrupts; // of vectors that are no more
    private long _closedMessages;
    private long _lockedBytes;
    private long _triggers;
    private long _restarts;
    private int _phase;

    public DeviceId Device { get; } = device;

    public ConcurrentDictionary<SessionFailure, long> Losses { get; } = [];

    public DevicePhase Phase { get => (DevicePhase)Volatile.Read(ref _phase); set => Volatile.Write(ref _phase, (int)value); }

    public long Interrupts => Volatile.Read(ref _closedInterrupts) + Volatile.Read(ref _channels).Sum(c => c.Total);

    public long Messages => Volatile.Read(ref _closedMessages) + Volatile.Read(ref _channels).Sum(c => c.Messages);

    public long LockedBytes { get => Volatile.Read(ref _lockedBytes); set => Volatile.Write(ref _lockedBytes, value); }

    public long Triggers { get => Volatile.Read(ref _triggers); set => Volatile.Write(ref _triggers, value); }

    public long Restarts { get => Volatile.Read(ref _restarts); set => Volatile.Write(ref _restarts, value); }

    public void Add(IReadOnlyList<VectorChannel> channels) => Volatile.Write(ref _channels, [.. _channels, .. channels]);

    /// <summary>Keeps what the vectors have counted; they are about to go.</summary>
    public void Close(IReadOnlyCollection<VectorChannel> channels)
    {
        Volatile.Write(ref _channels, [.. _channels.Except(channels)]);
        Volatile.Write(ref _closedInterrupts, _closedInterrupts + channels.Sum(c => c.Total));
        Volatile.Write(ref _closedMessages, _closedMessages + channels.Sum(c => c.Messages));
    }
}
