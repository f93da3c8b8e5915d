using Akka.Actor;
using Riser.Actors.Backends;

namespace Riser.Actors.Interrupts;

/// <summary>
/// One subscription's message: "this vector has fired". The same object each time, so that an interrupt allocates nothing;
/// it never leaves the process. Many of one subscriber can share a message: <see cref="InterruptSet"/>. A receiver calls <see cref="Take"/> each time it arrives: until then no further message comes.
/// </summary>
/// <remarks>Thread-safe, but meant for its subscriber alone. The sender of the message is the vector.</remarks>
public sealed class InterruptSignal : INoSerializationVerificationNeeded
{
    private readonly VectorChannel _channel;
    private readonly int _place; // in the set
    private int _queued = 1; // from the Tell to the Take, and until the subscription begins

    internal InterruptSignal(VectorChannel channel, IActorRef subscriber, InterruptCounting counting, long seen, InterruptSet? set = null)
    {
        _channel = channel;
        Set = set;
        Seen = seen;
        Subscriber = subscriber;
        Counting = counting;
        _place = set?.Add(channel, this) ?? 0;
    }

    /// <summary>The device that the vector belongs to.</summary>
    public DeviceId Device => _channel.Device;

    /// <summary>The vector's number.</summary>
    public int Vector => _channel.Vector;

    /// <summary>Whether <see cref="Take"/> counts.</summary>
    public InterruptCounting Counting { get; }

    /// <summary>What arrives instead of this object, together for many vectors; null: this object does.</summary>
    public InterruptSet? Set { get; }

    internal IActorRef Subscriber { get; }

    /// <summary>How much of the channel's total this subscription has been told; guarded by the channel's lock.</summary>
    internal long Seen { get; set; }

    /// <summary>Replaced by a newer subscription of the same subscriber, which has taken over what this one had not seen.</summary>
    internal bool IsRetired { get; set; }

    internal bool IsQueued => Volatile.Read(ref _queued) == 1;

    /// <summary>
    /// Collects what came since this subscription's last Take and lets the next message come. Exact: the number of signals, 0 when an earlier
    /// Take has collected them already. Edge-only: always 1, for "one or more".
    /// </summary>
    public long Take()
    {
        Release();
        long count = Counting == InterruptCounting.Exact ? _channel.Collect(this) : 1;
        _channel.ResumeIfSuspended();
        return count;
    }

    /// <summary>Lets the next message come. The store is seen before the channel's state is looked at: the reactor looks the other way round.</summary>
    internal void Release()
    {
        Volatile.Write(ref _queued, 0);
        Interlocked.MemoryBarrier();
    }

    /// <summary>For the one caller to whom <see cref="TryQueue"/> gave leave. False: a message that is under way already tells of it, too.</summary>
    internal bool Send(IActorRef vector)
    {
        if (Set is null)
            Subscriber.Tell(this, vector);
        else if (Set.Mark(_place))
            Subscriber.Tell(Set, vector);
        else
            return false;
        return true;
    }

    /// <summary>True for the one caller that may send the message now.</summary>
    internal bool TryQueue() => Interlocked.Exchange(ref _queued, 1) == 0;
}
