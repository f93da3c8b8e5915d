using Akka.Actor;
using Akka.TestKit.Xunit2;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;
using EpollReactor = Riser.Actors.Reactor.Reactor;

namespace Riser.Actors.Specs.Reactor;

/// <summary>What one interrupt costs, in exact numbers.</summary>
public sealed class InterruptPathGuardSpecs : TestKit
{
    private const int WarmUp = 2_000;
    private const int Rounds = 10_000;
    private const int Windows = 5; // the runtime itself allocates once in a while, e.g. when it compiles a method anew

    [Fact]
    public void Interrupt_allocates_nothing_between_the_eventfd_and_the_actor()
    {
        var loop = EpollReactor.For(Sys).Assign();
        var signal = new Signal();
        using var eventFd = EventFdHandle.Create();
        var actor = Sys.ActorOf(Props.Create(() => new Subscriber(eventFd, TestActor)).WithDispatcher("riser.reactor-dispatcher"));
        using var source = loop.Register(eventFd, new Forward(actor, signal));

        eventFd.Signal();

        var done = ExpectMsg<Done>(LoopDriver.Patience);
        Assert.Equal(0, done.Bytes); // in the best window; one object for each interrupt would be 24 bytes times 10,000 in every one
        Assert.True(done.OneThread, "There was a hand-over to another thread.");
        Assert.Equal(WarmUp + (Windows * Rounds), eventFd.Read());
    }

    private sealed record Done(long Bytes, bool OneThread);

    private sealed class Signal;

    private sealed class Forward(IActorRef subscriber, Signal signal) : ISignalHandler
    {
        public void OnSignal() => subscriber.Tell(signal, ActorRefs.NoSender);
    }

    // Signals the next interrupt itself, so that all of the path is on the loop's thread and is counted.
    private sealed class Subscriber : ReceiveActor
    {
        private int _rounds;
        private long _before;
        private long _least = long.MaxValue;
        private int _thread;
        private bool _oneThread = true;

        public Subscriber(EventFdHandle eventFd, IActorRef report)
        {
            Receive<Signal>(_ =>
            {
                _rounds++;
                if (_rounds == WarmUp)
                {
                    _before = GC.GetAllocatedBytesForCurrentThread();
                    _thread = Environment.CurrentManagedThreadId;
                }

                _oneThread &= _rounds < WarmUp || _thread == Environment.CurrentManagedThreadId;
                if (_rounds > WarmUp && (_rounds - WarmUp) % Rounds == 0)
                {
                    long now = GC.GetAllocatedBytesForCurrentThread();
                    _least = Math.Min(_least, now - _before);
                    _before = now;
                }

                if (_rounds < WarmUp + (Windows * Rounds))
                    eventFd.Signal();
                else
                    report.Tell(new Done(_least, _oneThread));
            });
        }
    }
}
