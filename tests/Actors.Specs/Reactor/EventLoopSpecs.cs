using Akka.Dispatch;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;
using static Riser.Actors.Specs.Reactor.LoopDriver;

namespace Riser.Actors.Specs.Reactor;

public sealed class EventLoopSpecs
{
    [Fact]
    public void Loop_calls_the_handler_on_its_own_thread_when_the_eventfd_is_signalled()
    {
        using var loop = Loop();
        using var signalled = new ManualResetEventSlim();
        EventLoop? current = null;
        using var source = loop.Register(() =>
        {
            current = EventLoop.Current;
            signalled.Set();
        });

        source.EventFd.Signal();

        signalled.Await("The handler was not called.");
        Assert.Same(loop, current);
        Assert.Null(EventLoop.Current);
    }

    [Fact]
    public void Loop_reports_a_signal_that_was_there_before_the_registration()
    {
        using var loop = Loop();
        using var signalled = new ManualResetEventSlim();
        var eventFd = EventFdHandle.Create();
        eventFd.Signal(3);

        using var source = loop.Register(eventFd, new Handler(signalled.Set));

        signalled.Await("The handler was not called.");
        Assert.Equal(3, eventFd.Read());
    }

    [Fact]
    public void Loop_never_reads_the_eventfd_and_still_reports_every_later_signal()
    {
        using var loop = Loop();
        int calls = 0;
        using var source = loop.Register(() => calls++);

        for (int i = 1; i <= 5; i++)
        {
            source.EventFd.Signal();
            loop.Settle();
            Assert.Equal(i, loop.On(() => calls));
        }

        Assert.Equal(5, source.EventFd.Read());
    }

    [Fact]
    public void Loop_runs_what_is_posted_in_order_on_its_own_thread()
    {
        using var loop = Loop(Settings(mailboxes: 3));
        var order = new List<int>();

        for (int i = 0; i < 1000; i++)
        {
            int n = i;
            loop.Post(new ActionRunnable(() => order.Add(n)));
        }

        Assert.Same(loop, loop.On(() => EventLoop.Current));
        Assert.Equal(Enumerable.Range(0, 1000), order);
    }

    [Fact]
    public void Loop_reports_signals_while_mailboxes_never_run_out()
    {
        using var loop = Loop(Settings(mailboxes: 2));
        using var signalled = new ManualResetEventSlim();
        using var source = loop.Register(signalled.Set);
        IRunnable again = null!;
        again = new ActionRunnable(() =>
        {
            if (!signalled.IsSet)
                loop.Post(again);
        });
        for (int i = 0; i < 10; i++)
            loop.Post(again);

        source.EventFd.Signal();

        signalled.Await("The mailboxes starved the descriptor.");
    }

    [Fact]
    public void Loop_runs_mailboxes_while_descriptors_are_always_ready()
    {
        using var loop = Loop(Settings(events: 2));
        var sources = new SignalSource[5];
        bool stop = false;
        for (int i = 0; i < sources.Length; i++)
        {
            int n = i;
            sources[i] = loop.Register(() =>
            {
                if (!stop)
                    sources[n].EventFd.Signal();
            });
        }

        foreach (var source in sources)
            source.EventFd.Signal();

        loop.On(() => stop = true);
        foreach (var source in sources)
            source.Dispose();
    }

    [Theory]
    [InlineData("delivering a signal")]
    [InlineData("running a mailbox")]
    public void Loop_fails_fast_with_its_story_when_an_exception_escapes(string doing)
    {
        using var failed = new ManualResetEventSlim();
        string? story = null;
        Exception? cause = null;
        using var loop = new EventLoop("spec-loop", Settings(), fail: (message, escaped) =>
        {
            (story, cause) = (message, escaped);
            failed.Set();
        });
        static void Throw() => throw new InvalidTimeZoneException("of the spec");

        if (doing == "delivering a signal")
            loop.Register(Throw).EventFd.Signal();
        else
            loop.Post(new ActionRunnable(Throw));

        failed.Await("Nobody was told.");
        Assert.IsType<InvalidTimeZoneException>(cause);
        Assert.Contains($"spec-loop: System.InvalidTimeZoneException escaped while {doing}: of the spec", story);
    }

    [Fact]
    public void Loop_runs_all_that_was_posted_before_it_stops()
    {
        var loop = Loop(Settings(mailboxes: 1));
        int runs = 0;
        for (int i = 0; i < 1000; i++)
            loop.Post(new ActionRunnable(() => runs++));

        loop.Dispose();

        Assert.Equal(1000, runs);
    }

    [Fact]
    public void Loop_that_has_stopped_hands_work_to_the_thread_pool_and_refuses_descriptors()
    {
        var loop = Loop();
        var left = loop.Register(() => { });
        loop.Dispose();
        loop.Dispose();

        Assert.Null(loop.On(() => EventLoop.Current));
        using var eventFd = EventFdHandle.Create();
        Assert.Throws<ObjectDisposedException>(() => loop.Register(eventFd, new Handler(() => { })));
        Assert.False(eventFd.IsClosed);
        Assert.True(left.EventFd.IsClosed);
        left.Suspend();
        left.Resume();
        left.Dispose();
    }

    [Fact]
    public void Loop_leaves_the_eventfd_to_the_caller_when_it_cannot_be_registered()
    {
        using var loop = Loop();
        using var source = loop.Register(() => { });

        var refused = Assert.Throws<NativeException>(() => loop.Register(source.EventFd, new Handler(() => { })));

        Assert.Equal(Errno.EEXIST, refused.Errno);
        Assert.False(source.EventFd.IsClosed);
        Assert.Equal(1, loop.Load);
    }
}
