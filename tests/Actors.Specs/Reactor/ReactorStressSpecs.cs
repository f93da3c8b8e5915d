using System.Collections.Concurrent;
using Akka.Dispatch;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;
using static Riser.Actors.Specs.Reactor.LoopDriver;

namespace Riser.Actors.Specs.Reactor;

/// <summary>Short, seeded parts of what the soak does for long.</summary>
[Collection(nameof(Alone))]
public sealed class ReactorStressSpecs
{
    [CollectionDefinition(nameof(Alone), DisableParallelization = true)]
    public sealed class Alone;

    [Fact]
    public void Loop_reports_each_of_many_eventfds()
    {
        const int Count = 1000;
        const int Rounds = 20;
        using var loop = Loop(Settings(events: 16));
        long total = 0;
        var sources = new SignalSource[Count];
        for (int i = 0; i < Count; i++)
        {
            int n = i;
            sources[i] = loop.Register(() => Interlocked.Add(ref total, sources[n].EventFd.Read()));
        }

        for (int round = 0; round < Rounds; round++)
        {
            foreach (var source in sources)
                source.EventFd.Signal();
        }

        Await(() => Interlocked.Read(ref total) == Count * Rounds, "A signal was lost.");
        foreach (var source in sources)
            source.Dispose();
        Assert.Equal(0, loop.Load);
    }

    [Fact]
    public void Closed_descriptor_never_delivers_to_the_one_that_gets_its_number()
    {
        using var loop = Loop(Settings(events: 4));
        var violations = new ConcurrentQueue<string>();
        var numbers = new ConcurrentDictionary<int, int>();

        Parallel(3, seed =>
        {
            var random = new Random(seed);
            for (int i = 0; i < 3000; i++)
            {
                var loud = new Watched(violations);
                loud.Source = loop.Register(EventFdHandle.Create(), loud);
                numbers.AddOrUpdate(loud.Source.EventFd.Number, 1, (_, n) => n + 1);
                loud.Source.EventFd.Signal();
                if (random.Next(2) == 0)
                    loop.Post(new ActionRunnable(loud.Close)); // on the loop
                else
                    loud.Close();

                var quiet = new Watched(violations) { MayBeCalled = false };
                quiet.Source = loop.Register(EventFdHandle.Create(), quiet);
                if (random.Next(4) == 0)
                    quiet.Source.Resume();
                quiet.Close();
            }
        });
        loop.Settle();

        Assert.Empty(violations);
        Assert.Contains(numbers.Values, uses => uses > 10); // numbers were recycled
        Assert.Equal(0, loop.Load);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(50)]
    public void Suspend_and_resume_lose_no_signal_under_concurrent_producers(int polling)
    {
        const int Producers = 2;
        const long Signals = 20_000;
        using var loop = Loop(Polling(polling));
        long total = 0;
        SignalSource source = null!;
        int calls = 0;
        source = loop.Register(() =>
        {
            if (++calls % 3 == 0)
            {
                source.Suspend();
                ThreadPool.UnsafeQueueUserWorkItem(static s => s.Resume(), source, preferLocal: false);
                return;
            }

            Interlocked.Add(ref total, source.EventFd.Read());
        });

        Parallel(Producers + 1, seed =>
        {
            for (int i = 0; i < Signals; i++)
            {
                if (seed < Producers)
                {
                    source.EventFd.Signal();
                }
                else
                {
                    source.Suspend();
                    source.Resume();
                }
            }
        });

        Await(() => Interlocked.Read(ref total) == Producers * Signals, $"{total} of {Producers * Signals} signals arrived.");
        source.Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(50)]
    public void Loop_runs_all_that_many_threads_post_while_it_sleeps_and_wakes(int polling)
    {
        using var loop = Loop(Polling(polling, mailboxes: 8));
        int runs = 0;
        var count = new ActionRunnable(() => runs++);

        Parallel(4, seed =>
        {
            var random = new Random(seed);
            for (int i = 0; i < 5000; i++)
            {
                loop.Post(count);
                if (random.Next(16) == 0)
                    Thread.Yield(); // lets the loop fall asleep
            }
        });

        Await(() => loop.On(() => runs) == 20_000, "Posted work was lost.");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(50)]
    public void Loop_wakes_for_work_that_is_posted_just_when_it_falls_asleep(int polling)
    {
        using var loop = Loop(Polling(polling));
        int runs = 0;
        var count = new ActionRunnable(() => Volatile.Write(ref runs, runs + 1));
        var random = new Random(1);

        for (int i = 1; i <= 50_000; i++)
        {
            int expected = i;
            loop.Post(count); // nothing else would wake it
            Await(() => Volatile.Read(ref runs) == expected, $"Work {expected} was posted and the loop sleeps.");
            Thread.SpinWait(random.Next(64)); // to meet the loop on its way to sleep
        }
    }

    [Fact]
    public void Loop_that_stops_while_many_post_loses_none()
    {
        for (int round = 0; round < 50; round++)
        {
            var loop = Loop();
            int runs = 0;
            var count = new ActionRunnable(() => Interlocked.Increment(ref runs));

            Parallel(3, seed =>
            {
                for (int i = 0; i < 50; i++)
                {
                    loop.Post(count);
                    if (seed == 0 && i == 25)
                        loop.Dispose();
                }
            });

            Await(() => Volatile.Read(ref runs) == 150, "Work posted to a stopping loop was lost.");
        }
    }

    [Fact]
    public void Loops_leave_no_descriptor_and_no_thread_behind()
    {
        const int Loops = 50;
        int before = Descriptors();
        for (int round = 0; round < Loops; round++)
        {
            using var loop = new EventLoop("spec-leak", Settings());
            for (int i = 0; i < 20; i++)
            {
                var source = loop.Register(() => { });
                source.EventFd.Signal();
                if (i % 2 == 0)
                    source.Dispose(); // the loop closes the others
            }
        }

        Await(() => NativeThread.Count("spec-leak") == 0, "A thread of a stopped loop lives on.");
        Assert.InRange(Descriptors(), 0, before + Loops - 1); // the test host has some of its own; a leak would be one a loop
    }

    private static ReactorSettings Polling(int microseconds, int mailboxes = 64) =>
        Settings(mailboxes: mailboxes, polling: new(TimeSpan.FromMicroseconds(microseconds), 1));

    // Of the kinds that a loop has; one that is closed meanwhile has no target.
    private static int Descriptors() => Directory.GetFiles("/proc/self/fd").Count(fd =>
        new FileInfo(fd).LinkTarget is { } target && (target.Contains("[eventfd]") || target.Contains("[eventpoll]")));

    private static void Parallel(int threads, Action<int> body)
    {
        var failures = new ConcurrentQueue<Exception>();
        var all = Enumerable.Range(0, threads).Select(seed => new Thread(() =>
        {
            try
            {
                body(seed);
            }
            catch (Exception e)
            {
                failures.Enqueue(e);
            }
        })).ToList();
        all.ForEach(t => t.Start());
        all.ForEach(t => t.Join());
        Assert.Empty(failures);
    }

    private sealed class Watched(ConcurrentQueue<string> violations) : ISignalHandler
    {
        private volatile bool _closed;

        public SignalSource Source { get; set; } = null!;

        public bool MayBeCalled { get; init; } = true;

        public void Close()
        {
            Source.Dispose();
            _closed = true;
        }

        public void OnSignal()
        {
            if (_closed)
                violations.Enqueue("called after Dispose returned");
            if (!MayBeCalled)
                violations.Enqueue("called without a signal");
        }
    }
}
