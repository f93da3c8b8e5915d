using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;

namespace Riser.Actors.Interrupts;

/// <summary>
/// The path of one vector's interrupts: its eventfd, and who is told. It outlives sessions and restarts of its actor.
/// This is the exception to the house's rule that actors hold their state in records: it runs on the reactor's thread for every
/// interrupt and allocates nothing (0 bytes per interrupt, asserted by InterruptPathGuardSpecs).
/// </summary>
/// <remarks>
/// No wake is lost, although the reactor stops listening while every subscriber has a message waiting: the reactor stops
/// listening, stores <c>_suspended</c> and then looks at the subscriptions; a Take stores its subscription and then looks at
/// <c>_suspended</c>. Whoever comes second sees the other. Whenever nobody listens, <c>_suspended</c> says so, or the reactor's look is still to come.
/// </remarks>
internal sealed class VectorChannel : ISignalHandler, IDisposable
{
    private readonly Lock _collecting = new();
    private readonly Lock _changing = new(); // subscriptions
    private readonly ISignalInterest _source;
    private InterruptSignal[] _signals = []; // copied on change
    private IActorRef _sender = ActorRefs.Nobody;
    private long _total; // guarded by _collecting
    private long _messages;
    private bool _everSubscribed; // guarded by _changing
    private int _suspended;
    private volatile bool _masked;
    private volatile bool _closed;

    public VectorChannel(DeviceId device, VectorKind kind, int vector, EventLoop loop)
        : this(device, kind, vector, loop.Register)
    {
    }

    /// <exception cref="NativeException">EMFILE or ENFILE: the limit of open files; ENOSPC: fs.epoll.max_user_watches.</exception>
    internal VectorChannel(DeviceId device, VectorKind kind, int vector, Func<EventFdHandle, ISignalHandler, ISignalInterest> register)
    {
        Device = device;
        Kind = kind;
        Vector = vector;
        EventFd = EventFdHandle.Create();
        try
        {
            _source = register(EventFd, this);
        }
        catch
        {
            EventFd.Dispose(); // still ours
            throw;
        }
    }

    public DeviceId Device { get; }

    public VectorKind Kind { get; }

    public int Vector { get; }

    /// <summary>How many vectors, from <see cref="Vector"/> on, signal the one eventfd.</summary>
    public int Width { get; init; } = 1;

    /// <summary>Where interrupts are handled: where its reactor is bound to, or where somebody has said; null: anywhere. Kept by the device from one session to the next.</summary>
    public IReadOnlyList<int>? Affinity { get; set; }

    /// <summary>What a session signals. Owned by the reactor's registration.</summary>
    public EventFdHandle EventFd { get; }

    public long Messages => Volatile.Read(ref _messages);

    public bool IsMasked => _masked;

    /// <summary>Signals counted so far; what still stands in the counter is not among them.</summary>
    public long Total => Volatile.Read(ref _total);

    /// <summary>Whether a session can signal it; kept by the device and the vector's actor.</summary>
    public bool Armed { get; set; }

    /// <summary>Whether the device holds it back; as <see cref="Armed"/>.</summary>
    public bool MaskedInHardware { get; set; }

    public IEnumerable<IActorRef> SubscriberRefs => Volatile.Read(ref _signals).Select(s => s.Subscriber);

    public int Subscribers => Volatile.Read(ref _signals).Length;

    /// <summary>Who interrupts come from, as their receivers see it.</summary>
    public void SendAs(IActorRef vector) => Volatile.Write(ref _sender, vector);

    /// <summary>
    /// Begins a subscription. It counts from now on; the first one of a vector from arming on; one that replaces another of the same
    /// subscriber from where that one had got to.
    /// </summary>
    /// <param name="subscriber">Who is told.</param>
    /// <param name="counting">Whether it counts.</param>
    /// <param name="answer">Runs before the first signal can be sent, so that the answer to a subscription is what its subscriber hears first.</param>
    /// <param name="set">With whose message it is told; it does not refuse. Null: with one of its own.</param>
    public InterruptSignal Subscribe(IActorRef subscriber, InterruptCounting counting, Action<InterruptSignal>? answer = null, InterruptSet? set = null)
    {
        lock (_changing)
        {
            var former = Array.Find(_signals, s => s.Subscriber.Equals(subscriber));
            bool first = !_everSubscribed;
            _everSubscribed = true;
            long now = former is null && !first ? Drain() : 0;
            InterruptSignal signal;
            lock (_collecting)
            {
                signal = new InterruptSignal(this, subscriber, counting, former?.Seen ?? now, set);
                former?.IsRetired = true;
            }
            if (former?.Set != set)
                former?.Set?.Remove(this);
            Volatile.Write(ref _signals, [.. _signals.Where(s => s != former), signal]);
            answer?.Invoke(signal);
            signal.Release();
            ResumeIfSuspended(); // of a reactor that found this subscription not ready yet
            // What an earlier reader has collected gives no edge any more, but this subscription has not seen it.
            if (Volatile.Read(ref _total) > signal.Seen)
                TellAll(except: null);
            return signal;
        }
    }

    public bool Unsubscribe(IActorRef subscriber)
    {
        lock (_changing)
        {
            var gone = Array.Find(_signals, s => s.Subscriber.Equals(subscriber));
            Volatile.Write(ref _signals, [.. _signals.Where(s => s != gone)]);
            gone?.Set?.Remove(this);
            return gone is not null;
        }
    }

    /// <summary>Tells every subscriber something other than an interrupt.</summary>
    public void Publish(object message)
    {
        foreach (var signal in Volatile.Read(ref _signals))
            signal.Subscriber.Tell(message, _sender);
    }

    /// <summary>Stops listening, or listens again; an eventfd that was signalled meanwhile is reported at once.</summary>
    public void Mask(bool masked)
    {
        _masked = masked;
        if (masked)
            _source.Suspend();
        else
            _source.Resume();
    }

    public void OnSignal()
    {
        if (_masked || _closed)
        {
            _source.Suspend(); // a Take resumed it while it was being masked; the counter keeps what came
            if (!_masked && !_closed)
                _source.Resume();
            return;
        }

        if (TellAll(except: null))
            return;
        _source.Suspend();
        Volatile.Write(ref _suspended, 1); // not before: a Take would listen again too early, and its successor then not at all
        Interlocked.MemoryBarrier();
        if (HasReadySubscriber())
        {
            Volatile.Write(ref _suspended, 0);
            Resume();
        }
    }

    internal void ResumeIfSuspended()
    {
        // Release, before this, was the fence that the look needs.
        if (Volatile.Read(ref _suspended) == 1 && Interlocked.Exchange(ref _suspended, 0) == 1)
            Resume();
    }

    /// <summary>Reads the counter for one subscription. The others are told too: once read, the counter gives no edge for them.</summary>
    internal long Collect(InterruptSignal signal)
    {
        long fresh, count;
        lock (_collecting)
        {
            fresh = ReadCounter();
            count = signal.IsRetired ? 0 : _total - signal.Seen;
            signal.Seen = _total;
        }
        if (fresh > 0)
            TellAll(except: signal);
        return count;
    }

    /// <summary>Counts everything that was signalled up to now and returns the sum over the vector's life.</summary>
    public long Drain()
    {
        long fresh, total;
        lock (_collecting)
        {
            fresh = ReadCounter();
            total = _total;
        }
        if (fresh > 0)
            TellAll(except: null);
        return total;
    }

    /// <summary>The device must have been disarmed before: from here on nothing is counted. The eventfd is closed with its registration.</summary>
    public void Dispose()
    {
        lock (_collecting)
        {
            if (_closed)
                return;
            ReadCounter();
            _closed = true;
        }
        _source.Dispose();
    }

    private bool TellAll(InterruptSignal? except)
    {
        bool told = false;
        foreach (var signal in Volatile.Read(ref _signals))
        {
            if (signal == except || !signal.TryQueue())
                continue;
            told = true;
            if (signal.Send(_sender))
                Interlocked.Increment(ref _messages);
        }
        return told;
    }

    private bool HasReadySubscriber()
    {
        foreach (var signal in Volatile.Read(ref _signals))
        {
            if (!signal.IsQueued)
                return true;
        }
        return false;
    }

    private void Resume()
    {
        if (!_masked && !_closed)
            _source.Resume();
    }

    private long ReadCounter()
    {
        long fresh = _closed ? 0 : EventFd.Read();
        _total += fresh;
        return fresh;
    }
}
