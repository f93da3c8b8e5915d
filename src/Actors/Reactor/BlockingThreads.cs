using Akka.Dispatch;

namespace Riser.Actors.Reactor;

/// <summary>
/// Threads for work that blocks: started when no idle one is there, ended when they were idle for a while. Work that hangs
/// in the kernel stalls: it keeps its thread, but no longer counts against the most there may be, so that hung sessions
/// never starve the others. Thread-safe.
/// </summary>
internal sealed class BlockingThreads : IDisposable
{
    private readonly Lock _gate = new(); // everything below
    private readonly Queue<IRunnable> _queue = new(); // empty while a thread is idle
    private readonly List<Worker?> _workers = []; // by the number in their name
    private readonly List<Worker> _idle = []; // the last to come is the first to go, so that the others can end
    private readonly string _name;
    private readonly BlockingSettings _settings;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly Action<string, Exception> _fail;
    private int _count;
    private int _stalled;
    private long _due = long.MaxValue; // when the timer fires
    private bool _disposed;

    /// <param name="name">Threads are called this, a dash and a number.</param>
    /// <param name="settings">How many, and how long.</param>
    /// <param name="time">Measures stalls and idleness.</param>
    /// <param name="fail">Is told of an exception that escaped; null ends the process.</param>
    public BlockingThreads(string name, BlockingSettings settings, TimeProvider time, Action<string, Exception>? fail = null)
    {
        (_name, _settings, _time, _fail) = (name, settings, time, fail ?? Environment.FailFast);
        _timer = time.CreateTimer(static threads => ((BlockingThreads)threads!).Look(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>How many threads there are: all, those with nothing to do, and those that stall.</summary>
    public (int All, int Idle, int Stalled) Count
    {
        get
        {
            lock (_gate)
                return (_count, _idle.Count, _stalled);
        }
    }

    private bool MayStart => _count - _stalled < _settings.MaxThreads;

    /// <summary>Runs <paramref name="work"/> on one of the threads, first come, first served; after disposal too.</summary>
    public void Run(IRunnable work)
    {
        lock (_gate)
        {
            if (_idle.Count > 0)
            {
                var worker = _idle[^1];
                _idle.RemoveAt(_idle.Count - 1);
                Give(worker, work);
                worker.Awaken.Release();
            }
            else if (MayStart)
            {
                Start(work);
            }
            else
            {
                _queue.Enqueue(work);
                if (_queue.Count == 1)
                    Arm();
            }
        }
    }

    /// <summary>Ends every thread once its work is done and the queue is empty. Does not wait.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            EndIdle(_idle.Count);
        }
    }

    private void Start(IRunnable work)
    {
        int number = _workers.IndexOf(null);
        if (number < 0)
        {
            number = _workers.Count;
            _workers.Add(null);
        }

        var worker = new Worker(number);
        Give(worker, work);
        var thread = new Thread(() => Work(worker)) { Name = $"{_name}-{number}", IsBackground = true };
        thread.Start(); // throws when the process may have no more threads: before anything was changed
        _workers[number] = worker;
        _count++;
    }

    private void Give(Worker worker, IRunnable work)
    {
        worker.Work = work;
        worker.Since = _time.GetTimestamp();
    }

    private void Work(Worker me)
    {
        while (me.Work is { } work)
        {
            try
            {
                work.Run();
            }
#pragma warning disable CA1031 // whatever escaped: nobody else would hear of it
            catch (Exception escaped)
#pragma warning restore CA1031
            {
                _fail($"{Thread.CurrentThread.Name}: {escaped.GetType()} escaped while running a mailbox: {escaped.Message}", escaped);
            }

            if (!Next(me))
                me.Awaken.Wait();
        }

        me.Awaken.Dispose();
    }

    // False: wait to be woken. Otherwise Work is the next, or null, which ends the thread.
    private bool Next(Worker me)
    {
        lock (_gate)
        {
            me.Work = null;
            if (me.IsStalled)
            {
                me.IsStalled = false;
                _stalled--;
            }

            bool tooMany = _count - _stalled > _settings.MaxThreads; // it comes back from a stall, and its place is taken
            if (!tooMany && _queue.TryDequeue(out var work))
            {
                Give(me, work);
                return true;
            }

            if (tooMany || _disposed)
            {
                Forget(me);
                return true;
            }

            me.Since = _time.GetTimestamp();
            _idle.Add(me);
            ArmAt(me.Since, _settings.IdleTimeout);
            return false;
        }
    }

    private void Look()
    {
        lock (_gate)
        {
            _due = long.MaxValue;
            foreach (var worker in _workers)
            {
                if (worker is { Work: not null, IsStalled: false } && _time.GetElapsedTime(worker.Since) >= _settings.StallAfter)
                {
                    worker.IsStalled = true;
                    _stalled++;
                }
            }

            while (MayStart && _queue.TryDequeue(out var work))
                Start(work);
            EndIdle(_idle.TakeWhile(worker => _time.GetElapsedTime(worker.Since) >= _settings.IdleTimeout).Count());
            Arm();
        }
    }

    // The longest idle come first.
    private void EndIdle(int count)
    {
        foreach (var worker in _idle[..count])
        {
            Forget(worker);
            worker.Awaken.Release();
        }

        _idle.RemoveRange(0, count);
    }

    private void Forget(Worker worker)
    {
        _workers[worker.Number] = null;
        _count--;
    }

    private void Arm()
    {
        if (_queue.Count > 0)
        {
            foreach (var worker in _workers)
            {
                if (worker is { Work: not null, IsStalled: false })
                    ArmAt(worker.Since, _settings.StallAfter);
            }
        }

        if (_idle.Count > 0)
            ArmAt(_idle[0].Since, _settings.IdleTimeout);
    }

    private void ArmAt(long since, TimeSpan after)
    {
        long due = since + (long)(after.TotalSeconds * _time.TimestampFrequency);
        if (due >= _due)
            return;
        _due = due;
        var wait = after - _time.GetElapsedTime(since);
        _timer.Change(wait > TimeSpan.FromMilliseconds(1) ? wait : TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
    }

    private sealed class Worker(int number)
    {
        public int Number => number;

        /// <summary>What it runs; null while it is idle or has to end.</summary>
        public IRunnable? Work { get; set; }

        /// <summary>Since when it has been running its work, or idle: a timestamp.</summary>
        public long Since { get; set; }

        public bool IsStalled { get; set; }

        public SemaphoreSlim Awaken { get; } = new(0);
    }
}
