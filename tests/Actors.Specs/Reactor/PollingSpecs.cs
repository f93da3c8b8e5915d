using Akka.Dispatch;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;
using static Riser.Actors.Specs.Reactor.LoopDriver;

namespace Riser.Actors.Specs.Reactor;

/// <summary>A loop that looks before it sleeps: what it saves, and that it costs nothing once there is nothing to see.</summary>
[Collection(nameof(ReactorStressSpecs.Alone))]
public sealed class PollingSpecs
{
    private static readonly PollingSettings s_long = new(TimeSpan.FromSeconds(1), 1);
    private static readonly PollingSettings s_short = new(TimeSpan.FromMilliseconds(2), 1);

    [Fact]
    public void Loop_that_looks_finds_signals_and_work()
    {
        using var loop = Loop(Settings(polling: s_long));
        int calls = 0;
        using var source = loop.Register(() => Interlocked.Increment(ref calls));

        for (int i = 1; i <= 2_000; i++)
        {
            int expected = i;
            source.EventFd.Signal();
            Await(() => Volatile.Read(ref calls) == expected, $"Signal {expected} was not seen.");
            loop.On(() => { });
        }

        Assert.NotEqual(TimeSpan.Zero, loop.Looked);
    }

    [Fact]
    public void Work_that_is_given_while_the_loop_looks_costs_the_giver_no_system_call()
    {
        using var loop = Loop(Settings(polling: s_long));
        var thread = new NativeThread();
        using var first = new ManualResetEventSlim();
        using var second = new ManualResetEventSlim();
        (long Sleeps, TimeSpan Looked) before = default, after = default;
        var begin = new ActionRunnable(() =>
        {
            before = (loop.Sleeps, loop.Looked);
            first.Set();
        });
        var end = new ActionRunnable(() =>
        {
            after = (loop.Sleeps, loop.Looked);
            second.Set();
        });

        // The loop may have fallen asleep before it was given the second: then this was no proof, and the next one may be.
        Await(
            () =>
            {
                first.Reset();
                second.Reset();
                loop.Post(begin);
                first.Await("The loop did not run what was posted.");
                long writes = thread.Writes;
                loop.Post(end);
                writes = thread.Writes - writes;
                second.Await("The loop did not run what was posted.");
                if (after.Sleeps != before.Sleeps || after.Looked == before.Looked)
                    return false;
                Assert.Equal(0, writes); // it has looked from the first to the second, and never slept
                return true;
            },
            "The loop never looked for as long as it takes to give it work.");
    }

    [Fact]
    public void Loop_that_has_nothing_to_do_sleeps_and_is_not_woken()
    {
        using var busy = Loop();
        using var idle = new EventLoop("spec-idle", Settings(polling: s_short));
        Await(
            () =>
            {
                idle.On(() => { });
                return idle.Looked > TimeSpan.Zero;
            },
            "It never looked.");

        var thread = NativeThread.Named("spec-idle");
        Await(() => thread.IsAsleep, "It goes on looking for what does not come.");
        var (switches, cpu, waits) = (thread.Switches, thread.CpuNs, idle.Waits);
        for (int i = 0; i < 2_000; i++)
            busy.On(() => { }); // time goes by, in which a loop that wakes by itself would

        Assert.Equal((switches, cpu, waits), (thread.Switches, thread.CpuNs, idle.Waits));
    }

    [Fact]
    public void Loop_runs_on_the_processor_that_it_is_bound_to_and_what_it_starts_does_not()
    {
        var allowed = Affinity.OfProcess();
        int last = allowed[^1];
        using var loop = new EventLoop("spec-bound", Settings(), last);
        IReadOnlyList<int>? started = null;

        Assert.Equal([last], loop.On(Affinity.OfThread));
        loop.On(() =>
        {
            var thread = new Thread(() => started = Affinity.OfThread());
            thread.Start();
            thread.Join();
        });

        Assert.Equal(last, loop.Processor);
        Assert.Equal(allowed, started);
    }
}
