using Riser.Actors.Interop;
using Riser.Actors.Reactor;
using static Riser.Actors.Specs.Reactor.LoopDriver;

namespace Riser.Actors.Specs.Reactor;

public sealed class SignalSourceSpecs
{
    [Fact]
    public void Source_reports_nothing_while_suspended_and_what_it_missed_on_resume()
    {
        using var loop = Loop();
        int calls = 0;
        using var source = loop.Register(() => calls++);

        source.Suspend();
        source.EventFd.Signal();
        source.EventFd.Signal();
        loop.Settle();
        Assert.Equal(0, loop.On(() => calls));

        source.Resume();
        loop.Settle();
        Assert.Equal(1, loop.On(() => calls));
        Assert.Equal(2, source.EventFd.Read());
    }

    [Fact]
    public void Source_reports_an_unread_counter_again_when_resumed()
    {
        using var loop = Loop();
        int calls = 0;
        using var source = loop.Register(() => calls++);
        source.EventFd.Signal();
        loop.Settle();

        source.Suspend();
        source.Resume();
        loop.Settle();

        Assert.Equal(2, loop.On(() => calls));
    }

    [Fact]
    public void Source_reports_nothing_on_resume_when_the_counter_was_read()
    {
        using var loop = Loop();
        int calls = 0;
        using var source = loop.Register(() => calls++);
        source.EventFd.Signal();
        loop.Settle();

        source.Suspend();
        source.EventFd.Read();
        source.Resume();
        loop.Settle();

        Assert.Equal(1, loop.On(() => calls));
    }

    [Fact]
    public void Source_disposed_by_another_handler_of_the_same_turn_is_not_called()
    {
        using var loop = Loop();
        int calls = 0;
        SignalSource? one = null, other = null;
        loop.On(() =>
        {
            one = loop.Register(() =>
            {
                calls++;
                other!.Dispose();
            });
            other = loop.Register(() =>
            {
                calls++;
                one.Dispose();
            });
            one.EventFd.Signal();
            other.EventFd.Signal();
        });
        loop.Settle();

        Assert.Equal(1, loop.On(() => calls));
        one!.Dispose();
        other!.Dispose();
        Assert.Equal(0, loop.Load);
    }

    [Fact]
    public void Source_never_gets_the_event_of_the_one_whose_descriptor_and_slot_it_has()
    {
        using var loop = Loop();
        int calls = 0;
        SignalSource? one = null, other = null, successor = null;
        void Replace(SignalSource twin)
        {
            if (successor is not null)
                return;
            twin.Dispose(); // its event is in the same turn, not delivered yet
            successor = loop.Register(() => calls++);
        }

        loop.On(() =>
        {
            one = loop.Register(() => Replace(other!));
            other = loop.Register(() => Replace(one));
            one.EventFd.Signal();
            other.EventFd.Signal();
        });
        loop.Settle();

        Assert.Equal(0, loop.On(() => calls));
        successor!.EventFd.Signal();
        loop.Settle();
        Assert.Equal(1, loop.On(() => calls));
    }

    [Fact]
    public void Source_disposed_off_the_loop_waits_for_the_delivery_that_is_under_way()
    {
        using var loop = Loop();
        using var entered = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        bool running = false;
        var source = loop.Register(() =>
        {
            Volatile.Write(ref running, true);
            entered.Set();
            release.Wait();
            Volatile.Write(ref running, false);
        });
        source.EventFd.Signal();
        entered.Await("The handler was not called.");

        var disposals = Enumerable.Range(0, 2).Select(_ => new Thread(() =>
        {
            source.Dispose();
            Assert.False(Volatile.Read(ref running));
        })).ToList();
        disposals.ForEach(t => t.Start());
        Await(() => loop.Load == 0, "The source is still registered.");
        Assert.False(source.EventFd.IsClosed);
        Assert.All(disposals, t => Assert.True(t.IsAlive));
        release.Set();

        Assert.All(disposals, t => Assert.True(t.Join(Patience)));
        Assert.True(source.EventFd.IsClosed);
    }

    [Fact]
    public void Source_leaves_the_set_although_a_copy_of_its_descriptor_lives_on()
    {
        using var loop = Loop();
        int calls = 0;
        var source = loop.Register(() => calls++);
        using var copy = new FileDescriptor(LibC.dup(source.EventFd.Number));

        source.Dispose();
        WriteOne(copy);
        loop.Settle();

        Assert.Equal(0, loop.On(() => calls));
    }

    private static unsafe void WriteOne(FileDescriptor eventFd)
    {
        long one = 1;
        // SAFETY: eight bytes of the stack.
        Assert.Equal(8, LibC.write(eventFd.Number, &one, 8));
    }
}
