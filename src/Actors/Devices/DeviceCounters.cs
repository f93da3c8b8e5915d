using System.Collections.Concurrent;
using Riser.Actors.Backends;
using Riser.Actors.Interrupts;

namespace Riser.Actors.Devices;

/// <summary>What a device counts, written by its actor and readable from any thread.</summary>
internal sealed class DeviceCounters(DeviceId device)
{
    private Counted _counted = new([], 0, 0); // one reference: what leaves the channels is in the sums at the same moment
    private long _lockedBytes;
    private long _triggers;
    private long _restarts;
    private int _phase;

    public DeviceId Device { get; } = device;

    public ConcurrentDictionary<SessionFailure, long> Losses { get; } = [];

    public DevicePhase Phase { get => (DevicePhase)Volatile.Read(ref _phase); set => Volatile.Write(ref _phase, (int)value); }

    public long Interrupts
    {
        get
        {
            var counted = Volatile.Read(ref _counted);
            return counted.Interrupts + counted.Open.Sum(c => c.Total);
        }
    }

    public long Messages
    {
        get
        {
            var counted = Volatile.Read(ref _counted);
            return counted.Messages + counted.Open.Sum(c => c.Messages);
        }
    }

    public long LockedBytes { get => Volatile.Read(ref _lockedBytes); set => Volatile.Write(ref _lockedBytes, value); }

    public long Triggers { get => Volatile.Read(ref _triggers); set => Volatile.Write(ref _triggers, value); }

    public long Restarts { get => Volatile.Read(ref _restarts); set => Volatile.Write(ref _restarts, value); }

    public void Add(IReadOnlyList<VectorChannel> channels) => Volatile.Write(ref _counted, _counted with { Open = [.. _counted.Open, .. channels] });

    /// <summary>Keeps what the vectors have counted; they count no more and are about to go.</summary>
    public void Close(IReadOnlyCollection<VectorChannel> channels) => Volatile.Write(ref _counted, new(
        [.. _counted.Open.Except(channels)],
        _counted.Interrupts + channels.Sum(c => c.Total),
        _counted.Messages + channels.Sum(c => c.Messages)));

    /// <param name="Open">Vectors that are there.</param>
    /// <param name="Interrupts">Of vectors that are no more.</param>
    /// <param name="Messages">The same.</param>
    private sealed record Counted(VectorChannel[] Open, long Interrupts, long Messages);
}
