using Akka.Actor;
using Akka.Dispatch;
using Akka.TestKit.Xunit2;
using Riser.Actors.Reactor;
using static Riser.Actors.Specs.Reactor.LoopDriver;
using EpollReactor = Riser.Actors.Reactor.Reactor;

namespace Riser.Actors.Specs.Reactor;

public sealed class BlockingThreadsSpecs : TestKit
{
    private readonly ManualTime _time = new();

    [Fact]
    public void Threads_start_when_there_is_work_and_none_is_idle()
    {
        using var threads = Threads(max: 4);
        Assert.Equal((0, 0, 0), threads.Count);

        using var first = Hang(threads);
        using var second = Hang(threads);

        Assert.Equal(("spec-block-0", "spec-block-1"), (first.Thread, second.Thread));
        Assert.Equal((2, 0, 0), threads.Count);
    }

    [Fact]
    public void Threads_are_used_again_when_idle()
    {
        using var threads = Threads(max: 4);
        Hang(threads).Dispose();
        Await(() => threads.Count.Idle == 1, "The thread did not become idle.");

        using var second = Hang(threads);

        Assert.Equal("spec-block-0", second.Thread);
        Assert.Equal((1, 0, 0), threads.Count);
    }

    [Fact]
    public void Work_waits_in_order_while_all_threads_are_busy()
    {
        using var threads = Threads(max: 1);
        var order = new List<int>();
        using var done = new CountdownEvent(10);
        using (Hang(threads))
        {
            for (int i = 0; i < 10; i++)
            {
                int n = i;
                threads.Run(new ActionRunnable(() =>
                {
                    order.Add(n);
                    done.Signal();
                }));
            }

            Assert.Equal((1, 0, 0), threads.Count);
        }

        Assert.True(done.Wait(Patience));
        Assert.Equal(Enumerable.Range(0, 10), order);
    }

    [Fact]
    public void Work_that_hangs_makes_room_for_other_work()
    {
        using var threads = Threads(max: 2);
        using var first = Hang(threads);
        using var second = Hang(threads);
        using var ran = new ManualResetEventSlim();
        threads.Run(new ActionRunnable(ran.Set));
        Assert.Equal((2, 0, 0), threads.Count);

        _time.Advance(TimeSpan.FromSeconds(1));

        ran.Await("Hung work starved the others.");
        Assert.Equal(2, threads.Count.Stalled);
    }

    [Fact]
    public void Thread_that_comes_back_from_a_stall_ends_when_its_place_is_taken()
    {
        using var threads = Threads(max: 1);
        using var hung = Hang(threads);
        _time.Advance(TimeSpan.FromSeconds(1));
        using var next = Hang(threads, when: () => _time.Advance(TimeSpan.FromMilliseconds(1)));
        Assert.Equal((2, 0, 1), threads.Count);

        hung.Dispose();

        Await(() => threads.Count == (1, 0, 0), "The thread is still there.");
    }

    [Fact]
    public void Threads_end_when_idle_for_the_timeout()
    {
        using var threads = Threads(max: 4);
        var busy = Hang(threads);
        Hang(threads).Dispose();
        Await(() => threads.Count.Idle == 1, "The thread did not become idle.");

        _time.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal(2, threads.Count.All);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(1, threads.Count.All);
        busy.Dispose();
    }

    [Fact]
    public void Work_runs_after_disposal_and_leaves_no_thread()
    {
        var threads = Threads(max: 2);
        Hang(threads).Dispose();
        threads.Dispose();

        Hang(threads).Dispose();

        Await(() => threads.Count.All == 0, "A thread lives on.");
    }

    [Fact]
    public void Exception_that_escapes_is_told_with_the_name_of_the_thread()
    {
        string? story = null;
        using var told = new ManualResetEventSlim();
        using var threads = new BlockingThreads("spec-block", Settings(1), _time, (message, _) =>
        {
            story = message;
            told.Set();
        });

        threads.Run(new ActionRunnable(() => throw new InvalidTimeZoneException("of the spec")));

        told.Await("Nobody was told.");
        Assert.Contains("spec-block-0: System.InvalidTimeZoneException escaped", story);
    }

    [Fact]
    public void Session_dispatcher_runs_each_actor_on_a_thread_that_may_block()
    {
        EpollReactor.For(Sys);
        using var barrier = new Barrier(3);
        for (int i = 0; i < 3; i++)
            Sys.ActorOf(Props.Create(() => new Blocking(barrier)).WithDispatcher("riser.session-dispatcher")).Tell("block", TestActor);

        var names = Enumerable.Range(0, 3).Select(_ => ExpectMsg<string>(Patience)).ToHashSet();

        Assert.Equal(3, names.Count);
        Assert.All(names, name => Assert.StartsWith("riser-session-", name));
    }

    [Fact]
    public void What_prompt_work_gives_runs_next_on_the_same_thread()
    {
        using var threads = Threads(max: 4);
        var names = new List<string>();
        using var done = new ManualResetEventSlim();

        threads.Run(new ActionRunnable(() => Chain(0)), isPrompt: true);

        done.Await("The chain did not end.");
        Assert.Equal(Enumerable.Repeat("spec-block-0", 201), names);
        Assert.Equal(1, threads.Count.All);
        Await(() => threads.Count.Idle == threads.Count.All, "A thread does not come to rest.");

        void Chain(int link)
        {
            names.Add(Thread.CurrentThread.Name!);
            if (link < 200)
                threads.Run(new ActionRunnable(() => Chain(link + 1)), isPrompt: true);
            else
                done.Set();
        }
    }

    [Fact]
    public void What_prompt_work_gives_besides_its_last_goes_to_other_threads()
    {
        using var threads = Threads(max: 4);
        using var inside = new ManualResetEventSlim();
        using var ran = new ManualResetEventSlim();
        threads.Run(
            new ActionRunnable(() =>
            {
                threads.Run(new ActionRunnable(ran.Set), isPrompt: true);
                threads.Run(new ActionRunnable(() => { }), isPrompt: true);
                inside.Await("The first did not run while its giver was busy.");
            }),
            isPrompt: true);

        ran.Await("It waits for its giver.");
        inside.Set();
        Await(() => threads.Count.Idle == threads.Count.All, "A thread does not come to rest.");
    }

    [Fact]
    public void What_is_kept_goes_to_another_thread_before_its_giver_blocks()
    {
        using var threads = Threads(max: 4);
        using var ran = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        threads.Run(
            new ActionRunnable(() =>
            {
                threads.Run(new ActionRunnable(ran.Set));
                BlockingThreads.Release();
                release.Wait();
            }),
            isPrompt: true);

        ran.Await("It waits behind a call that blocks.");
        release.Set();
        Await(() => threads.Count.Idle == threads.Count.All, "A thread does not come to rest.");
    }

    [Fact]
    public void Work_that_may_block_keeps_only_what_it_gives_after_it_said_so()
    {
        using var threads = Threads(max: 4);
        using var ran = new ManualResetEventSlim();
        using var done = new ManualResetEventSlim();
        string? kept = null;
        threads.Run(new ActionRunnable(() =>
        {
            threads.Run(new ActionRunnable(ran.Set));
            ran.Await("It waits for work that may block.");
            BlockingThreads.Keep();
            threads.Run(new ActionRunnable(() =>
            {
                kept = Thread.CurrentThread.Name;
                done.Set();
            }));
        }));

        done.Await("What was kept did not run.");
        Assert.Equal("spec-block-0", kept);
        Await(() => threads.Count.Idle == threads.Count.All, "A thread does not come to rest.");
    }

    [Fact]
    public void What_is_kept_is_taken_from_prompt_work_that_stalls()
    {
        using var threads = Threads(max: 4);
        using var ran = new ManualResetEventSlim();
        using var given = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        threads.Run(
            new ActionRunnable(() =>
            {
                threads.Run(new ActionRunnable(ran.Set), isPrompt: true);
                given.Set();
                release.Wait(); // it breaks its promise
            }),
            isPrompt: true);
        given.Await("The work did not start.");
        Assert.False(ran.IsSet);

        _time.Advance(TimeSpan.FromSeconds(1));

        ran.Await("It waits for work that stalls.");
        release.Set();
        Await(() => threads.Count.Idle == threads.Count.All, "A thread does not come to rest.");
    }

    [Fact]
    public void Chain_lets_those_run_who_wait_when_all_threads_are_busy()
    {
        using var threads = Threads(max: 1);
        using var started = new ManualResetEventSlim();
        using var ran = new ManualResetEventSlim();
        bool stop = false;
        threads.Run(new ActionRunnable(Chain), isPrompt: true);
        started.Await("The chain did not start.");

        threads.Run(new ActionRunnable(ran.Set));

        ran.Await("The chain starves the others.");
        Volatile.Write(ref stop, true);
        Await(() => threads.Count.Idle == threads.Count.All, "A thread does not come to rest.");

        void Chain()
        {
            started.Set();
            if (!Volatile.Read(ref stop))
                threads.Run(new ActionRunnable(Chain), isPrompt: true);
        }
    }

    [Fact]
    public void Prompt_work_has_as_many_threads_as_there_are_processors_and_another_for_each_that_blocks()
    {
        int processors = Environment.ProcessorCount;
        using var threads = Threads(max: 64);
        using var started = new CountdownEvent(processors);
        using var queued = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        using var ran = new ManualResetEventSlim();
        for (int i = 0; i < processors; i++)
        {
            threads.Run(
                new ActionRunnable(() =>
                {
                    started.Signal();
                    queued.Wait();
                    BlockingThreads.Release();
                    release.Wait();
                }),
                isPrompt: true);
        }
        Assert.True(started.Wait(Patience));

        threads.Run(new ActionRunnable(ran.Set), isPrompt: true);
        Assert.Equal(processors, threads.Count.All);
        Assert.False(ran.IsSet);
        queued.Set();

        ran.Await("Prompt work waits for work that blocks.");
        release.Set();
        Await(() => threads.Count.Idle == threads.Count.All, "A thread does not come to rest.");
    }

    [Fact]
    public void Device_dispatcher_runs_actors_on_the_session_dispatchers_threads()
    {
        EpollReactor.For(Sys);
        Sys.ActorOf(Props.Create(() => new Named()).WithDispatcher("riser.device-dispatcher")).Tell("who", TestActor);

        Assert.StartsWith("riser-session-", ExpectMsg<string>(Patience));
    }

    private static BlockingSettings Settings(int max) => new(max, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30));

    private BlockingThreads Threads(int max) => new("spec-block", Settings(max), _time);

    /// <summary>Work that is on its thread when this returns, and stays there until it is disposed.</summary>
    private static Hung Hang(BlockingThreads threads, Action? when = null)
    {
        var hung = new Hung();
        threads.Run(hung);
        when?.Invoke();
        hung.Entered.Await("The work did not start.");
        return hung;
    }

    private sealed class Hung : IRunnable, IDisposable
    {
        private readonly ManualResetEventSlim _release = new();

        public ManualResetEventSlim Entered { get; } = new();

        public string? Thread { get; private set; }

        public void Run()
        {
            Thread = System.Threading.Thread.CurrentThread.Name;
            Entered.Set();
            _release.Wait();
        }

        public void Execute() => Run(); // Akka.NET 1.5's IRunnable is a work item of the thread pool

        public void Dispose() => _release.Set();
    }

    private sealed class Blocking : ReceiveActor
    {
        public Blocking(Barrier barrier) => Receive<string>(_ =>
        {
            barrier.SignalAndWait(Patience);
            Sender.Tell(Thread.CurrentThread.Name!);
        });
    }

    private sealed class Named : ReceiveActor
    {
        public Named() => Receive<string>(_ => Sender.Tell(Thread.CurrentThread.Name!));
    }
}
