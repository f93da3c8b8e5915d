using Akka.Dispatch;

namespace Riser.Actors.Reactor;

/// <summary>
/// Threads for work that blocks: started when no idle one is there, ended when they were idle for a while. Work that hangs
/// in the kernel stalls: it keeps its thread, but no longer counts against the most there may be, so that hung sessions
/// never starve the others. Thread-safe.
/// <para>
/// Prompt work never blocks. The last thing that prompt work gives the threads is kept for its own thread, which runs it next: a chain of
/// actors that hand one command on costs no hand-over between threads. Work that may block gives it away before it does
/// (<see cref="Release"/>), and may itself begin to be prompt once it is past that (<see cref="Keep"/>).
/// </para>
/// </summary>
internal sealed class BlockingThreads : IDisposable
{
    /// <summary>How much a thread runs of its own in a row while others wait.</summary>
    private const int LongestChain = 64;

    [ThreadStatic]
    private static Worker? s_me;

    private readonly Lock _gate = new(); // everything below
    private readonly Queue<Item> _queue = new(); // while it holds something, as many threads run prompt work as there are processors, or all are busy
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
    /// <param name="work">What to run.</param>
    /// <param name="isPrompt">It never blocks.</param>
    public void Run(IRunnable work, bool isPrompt = false)
    {
        Item? shared = new Item(work, isPrompt);
        if (s_me is { Keeps: true } me && me.Owner == this)
            shared = me.Put(shared.Value);
        if (shared is { } item)
            Share(item);
    }

    /// <summary>Before a call that may block: what was kept for this thread goes to the others. Nothing on other threads.</summary>
    public static void Release()
    {
        if (s_me is not { } me)
            return;
        me.Keeps = me.IsPrompt = false;
        if (me.Take() is { } kept)
            me.Owner.Share(kept);
        me.Owner.Replace();
    }

    /// <summary>The work that runs now does not block any more, unless it says so with <see cref="Release"/>.</summary>
    public static void Keep()
    {
        if (s_me is { } me)
            me.Keeps = true;
    }

    private void Share(Item work)
    {
        lock (_gate)
            ShareLocked(work);
    }

    private void ShareLocked(Item work)
    {
        // More threads for work that never blocks would only take the processors from one another.
        bool mayGo = !work.IsPrompt || CountPrompt() < Environment.ProcessorCount;
        if (mayGo && _idle.Count > 0)
        {
            Wake(work);
        }
        else if (mayGo && MayStart)
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

    private void Wake(Item work)
    {
        var worker = _idle[^1];
        _idle.RemoveAt(_idle.Count - 1);
        Give(worker, work);
        ArmFor(worker);
        worker.Awaken.Release();
    }

    // This thread is about to block: if it was counted as one that runs prompt work, what waits behind it needs another.
    private void Replace()
    {
        Interlocked.MemoryBarrier(); // what it runs was written before, and is seen by who queues, or the queue is seen here
        if (_queue.Count == 0)
            return;
        lock (_gate)
        {
            while (_queue.Count > 0 && CountPrompt() < Environment.ProcessorCount && (_idle.Count > 0 || MayStart))
                Hand(_queue.Dequeue());
        }
    }

    private void Hand(Item work)
    {
        if (_idle.Count > 0)
            Wake(work);
        else
            Start(work);
    }

    private int CountPrompt()
    {
        int count = 0;
        foreach (var worker in _workers)
        {
            if (worker is { Work: not null, IsPrompt: true, IsStalled: false })
                count++;
        }

        return count;
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

    private void Start(Item work)
    {
        int number = _workers.IndexOf(null);
        if (number < 0)
        {
            number = _workers.Count;
            _workers.Add(null);
        }

        var worker = new Worker(this, number);
        Give(worker, work);
        var thread = new Thread(() => Work(worker)) { Name = $"{_name}-{number}", IsBackground = true };
        thread.Start(); // throws when the process may have no more threads: before anything was changed
        _workers[number] = worker;
        _count++;
        ArmFor(worker);
    }

    private void Give(Worker worker, Item work)
    {
        worker.Work = work.Runnable;
        worker.IsPrompt = worker.Keeps = work.IsPrompt;
        worker.Since = _time.GetTimestamp();
    }

    private void Work(Worker me)
    {
        s_me = me;
        int chain = 0;
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

            if (chain++ < LongestChain && !me.IsStalled && me.Take() is { } kept)
            {
                Give(me, kept);
                continue;
            }

            chain = 0;
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
            if (me.Take() is { } kept)
            {
                if (!tooMany && _queue.Count == 0)
                    return Go(me, kept);
                ShareLocked(kept); // behind those who have waited longer
            }

            if (!tooMany && _queue.TryDequeue(out var work))
                return Go(me, work);

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

    private bool Go(Worker me, Item work)
    {
        Give(me, work);
        ArmFor(me);
        return true;
    }

    private void Look()
    {
        lock (_gate)
        {
            _due = long.MaxValue;
            List<IRunnable> kept = [];
            foreach (var worker in _workers)
            {
                if (worker is { Work: not null, IsStalled: false } && _time.GetElapsedTime(worker.Since) >= _settings.StallAfter)
                {
                    worker.IsStalled = true;
                    _stalled++;
                    if (worker.Steal() is { } stolen)
                        kept.Add(stolen);
                }
            }

            foreach (var work in kept) // of work that was not as prompt as it said
                ShareLocked(new(work, IsPrompt: false));

            while (_queue.Count > 0 && (_idle.Count > 0 || MayStart))
                Hand(_queue.Dequeue());
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

    // Prompt work may keep something from the others: should it stall, somebody has to look.
    private void ArmFor(Worker worker)
    {
        if (worker is { Work: not null, IsPrompt: true })
            ArmAt(worker.Since, _settings.StallAfter);
    }

    private void Arm()
    {
        foreach (var worker in _workers)
        {
            if (worker is { IsStalled: false })
                ArmFor(worker);
        }

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

    private readonly record struct Item(IRunnable Runnable, bool IsPrompt);

    private sealed class Worker(BlockingThreads owner, int number)
    {
        // What it runs next. Only its own thread puts something there; a look at those that stall may take it away.
        private IRunnable? _next;
        private bool _nextIsPrompt;

        public BlockingThreads Owner => owner;

        public int Number => number;

        /// <summary>What it runs; null while it is idle or has to end.</summary>
        public IRunnable? Work { get; set; }

        public bool IsPrompt { get; set; }

        /// <summary>What this thread gives is kept for it. Its own.</summary>
        public bool Keeps { get; set; }

        /// <summary>Since when it has been running its work, or idle: a timestamp.</summary>
        public long Since { get; set; }

        public bool IsStalled { get; set; }

        public SemaphoreSlim Awaken { get; } = new(0);

        /// <returns>What was kept before, which is for others now.</returns>
        public Item? Put(Item next)
        {
            var older = Interlocked.Exchange(ref _next, next.Runnable);
            Item? result = older is null ? null : new(older, _nextIsPrompt);
            _nextIsPrompt = next.IsPrompt;
            return result;
        }

        public Item? Take() => _next is not null && Interlocked.Exchange(ref _next, null) is { } kept ? new(kept, _nextIsPrompt) : null;

        /// <summary>For another thread.</summary>
        public IRunnable? Steal() => Interlocked.Exchange(ref _next, null);
    }
}
