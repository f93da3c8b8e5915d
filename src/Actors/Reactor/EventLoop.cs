using System.Collections.Concurrent;
using System.Diagnostics;
using Akka.Dispatch;
using Riser.Actors.Interop;

namespace Riser.Actors.Reactor;

/// <summary>
/// One epoll thread. It turns ready eventfds into calls, and runs the mailboxes that those calls (and other threads) fill
/// on the same thread: what an interrupt wakes needs no hand-over.
/// <code>
/// turn: wait (sleeps only with nothing to run) ─▶ deliver ≤ events-per-turn ─▶ take what was posted ─▶ run ≤ mailboxes-per-turn
/// </code>
/// Before it sleeps it looks again for as long as its <see cref="Vigil"/> says. A look is epoll_wait with a timeout of 0: the cheapest system
/// call that knows of all descriptors, at the same price for 1 as for 2,048 (docs/performance.md).
/// </summary>
internal sealed class EventLoop : IDisposable
{
    private const ulong WakeUpToken = ulong.MaxValue;

    private readonly EpollHandle _epoll = EpollHandle.Create();
    private readonly EventFdHandle _wakeUp = EventFdHandle.Create(); // edge triggered and never read, as every other
    private readonly SourceTable _sources = new();
    private readonly RunQueue _local = new(); // this thread only
    private readonly ConcurrentQueue<IRunnable> _posted = new();
    private readonly Lock _registration = new();
    private readonly Passage _delivery = new();
    private readonly Slumber _slumber = new();
    private readonly Vigil _vigil;
    private readonly Func<bool> _isBusy;
    private readonly EpollEvents _events;
    private readonly int _mailboxesPerTurn;
    private readonly Action<string, Exception> _fail;
    private readonly Thread _thread;
    private volatile bool _stopping;
    private bool _closed; // under _registration
    private long _waits; // written by the thread only
    private long _sleeps;

    /// <param name="name">The thread's name, at most 15 characters for Linux to show all.</param>
    /// <param name="settings">How much a turn may do, and whether the thread looks again before it sleeps.</param>
    /// <param name="processor">What the thread is bound to; null: nothing.</param>
    /// <param name="fail">Is told of an exception that escaped; null ends the process.</param>
    public EventLoop(string name, ReactorSettings settings, int? processor = null, Action<string, Exception>? fail = null)
    {
        Processor = processor;
        _vigil = new(settings.Polling);
        _events = new EpollEvents(settings.EventsPerTurn);
        _mailboxesPerTurn = settings.MailboxesPerTurn;
        _fail = fail ?? Environment.FailFast;
        _isBusy = () => HasWork || _stopping;
        _epoll.Add(_wakeUp, LibC.EPOLLIN | LibC.EPOLLET, WakeUpToken);
        _thread = new Thread(Run) { Name = name, IsBackground = true };
        _thread.Start();
    }

    /// <summary>The loop whose thread this is, or null.</summary>
    public static EventLoop? Current => OnThread.Loop;

    /// <summary>The thread's name.</summary>
    public string Name => _thread.Name!;

    /// <summary>The processor that its thread is bound to, or null.</summary>
    public int? Processor { get; }

    /// <summary>How often it has asked the kernel for events. Any thread.</summary>
    public long Waits => Volatile.Read(ref _waits);

    /// <summary>How often it was ready to sleep in that. Any thread.</summary>
    public long Sleeps => Volatile.Read(ref _sleeps);

    /// <summary>How long it has looked for work instead of sleeping. Any thread.</summary>
    public TimeSpan Looked => TimeSpan.FromMicroseconds(_vigil.Looked / 1_000.0);

    /// <summary>How many eventfds are registered.</summary>
    public int Load => _sources.Count;

    /// <summary>
    /// Calls <paramref name="handler"/> for each edge of <paramref name="eventFd"/>, which the result now owns; at once if
    /// its counter is not 0. Any thread. When it throws, the eventfd is still the caller's.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The loop has stopped.</exception>
    /// <exception cref="NativeException">ENOSPC: fs.epoll.max_user_watches is reached; EEXIST: it is registered here already.</exception>
    public SignalSource Register(EventFdHandle eventFd, ISignalHandler handler)
    {
        lock (_registration)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            var source = _sources.Add(token => new SignalSource(this, _epoll, eventFd, handler, token));
            try
            {
                source.Start();
            }
            catch
            {
                _sources.Remove(source);
                throw;
            }

            return source;
        }
    }

    /// <summary>
    /// Runs <paramref name="work"/> on this loop's thread, after what was posted before. Any thread; the kernel is called
    /// only to wake a sleeping loop. Once the loop has stopped the work runs on the thread pool: none is ever lost.
    /// </summary>
    public void Post(IRunnable work)
    {
        if (OnThread.Loop == this)
        {
            _local.Enqueue(work);
            return;
        }

        _posted.Enqueue(work);
        TellThread();
    }

    /// <summary>
    /// Ends the thread once nothing is left to run, and closes every source that is still there. Waits for that, except on
    /// the loop's own thread.
    /// </summary>
    public void Dispose()
    {
        _stopping = true;
        TellThread();
        if (OnThread.Loop != this)
            _thread.Join();
    }

    internal void Forget(SignalSource source) => _sources.Remove(source);

    /// <summary>Returns when handlers that were running when it was called have returned. On the loop's thread: at once.</summary>
    internal void WaitUntilDelivered()
    {
        if (OnThread.Loop != this)
            _delivery.WaitUntilLeft();
    }

    private void Run()
    {
        OnThread.Loop = this;
        string doing = "binding itself to its processor";
        try
        {
            if (Processor is { } processor)
                Affinity.BindThread(processor);
            do
            {
                doing = "waiting for events";
                int ready = Await();
                doing = "delivering a signal";
                Deliver(ready);
                doing = "running a mailbox";
                RunMailboxes();
            }
            while (!_stopping || HasWork);
        }
#pragma warning disable CA1031 // whatever escaped: the process must not go on with a reactor that is silent
        catch (Exception escaped)
#pragma warning restore CA1031
        {
            _fail($"{Name}: {escaped.GetType()} escaped while {doing}: {escaped.Message} Handlers and mailboxes must not throw; the reactor cannot go on.", escaped);
        }
        finally
        {
            Close();
        }
    }

    private bool HasWork => _local.Count > 0 || !_posted.IsEmpty;

    private int Await()
    {
        if (!_vigil.IsEnabled)
            return Sleep();
        if (_isBusy())
            return Wait(0);
        if (_vigil.Begin(Stopwatch.GetTimestamp()))
        {
            do
            {
                int ready = Wait(0);
                if (ready > 0 || _isBusy())
                {
                    _vigil.End(Stopwatch.GetTimestamp(), slept: false);
                    return ready;
                }
            }
            while (_vigil.Continues(Stopwatch.GetTimestamp()));
        }

        int woken = Sleep();
        _vigil.End(Stopwatch.GetTimestamp(), slept: true);
        return woken;
    }

    private int Sleep()
    {
        if (!_slumber.TryFallAsleep(_isBusy))
            return Wait(0);
        Volatile.Write(ref _sleeps, _sleeps + 1);
        int ready = Wait(-1);
        _slumber.WakeUp();
        return ready;
    }

    private int Wait(int timeout)
    {
        Volatile.Write(ref _waits, _waits + 1);
        return _epoll.Wait(_events, timeout);
    }

    private void Deliver(int ready)
    {
        if (ready == 0)
            return;
        _delivery.Enter();
        try
        {
            for (int i = 0; i < ready; i++)
                _sources.Find(_events.Token(i))?.Deliver(); // the wake-up's token finds nothing
        }
        finally
        {
            _delivery.Leave();
        }
    }

    private void RunMailboxes()
    {
        for (int i = 0; i < _mailboxesPerTurn && _posted.TryDequeue(out var work); i++)
            _local.Enqueue(work);
        for (int i = 0; i < _mailboxesPerTurn && _local.Count > 0; i++)
            _local.Dequeue().Run();
    }

    private void TellThread()
    {
        switch (_slumber.AfterGiving())
        {
            case Slumber.Duty.Wake:
                Signal();
                break;
            case Slumber.Duty.HandOver:
                HandOver();
                break;
        }
    }

    // The loop may wake for another reason, stop and close the descriptor before this thread gets here.
    private void Signal()
    {
        bool held = false;
        try
        {
            _wakeUp.DangerousAddRef(ref held);
            _wakeUp.Signal();
        }
        catch (ObjectDisposedException)
        {
            // Stopped, and it has handed over what was posted.
        }
        finally
        {
            if (held)
                _wakeUp.DangerousRelease();
        }
    }

    private void Close()
    {
        lock (_registration)
            _closed = true;
        foreach (var source in _sources.ToArray())
            source.Dispose();
        OnThread.Loop = null;
        _slumber.Leave();
        HandOver();
        _epoll.Dispose();
        _wakeUp.Dispose();
    }

    private void HandOver()
    {
        while (_local.Count > 0 && Thread.CurrentThread == _thread)
            ThreadPool.UnsafeQueueUserWorkItem(static work => work.Run(), _local.Dequeue(), preferLocal: false);
        while (_posted.TryDequeue(out var work))
            ThreadPool.UnsafeQueueUserWorkItem(static work => work.Run(), work, preferLocal: false);
    }

    private static class OnThread
    {
        [ThreadStatic]
        public static EventLoop? Loop;
    }
}
