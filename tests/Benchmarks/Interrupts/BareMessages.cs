using Akka.Actor;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;

namespace Riser.Benchmarks.Interrupts;

/// <summary>
/// The floor below a message for each vector: a callback that sends one object, the same each time, to an actor on its thread, which reads the
/// counter. It keeps no account, and would send twice, or read nothing, where two had to agree.
/// </summary>
internal sealed class BareMessages : Receiver
{
    private readonly IActorRef _actor;
    private readonly ThreadAllocations _allocations;
    private readonly SignalSource[] _sources;

    public BareMessages(ActorSystem system, int vectors)
    {
        var loop = Actors.Reactor.Reactor.For(system).Assign();
        _allocations = new(loop);
        _actor = system.ActorOf(Props.Create(() => new Subscriber(Meter)).WithDispatcher("riser.reactor-dispatcher"));
        _sources = [.. Enumerable.Range(0, vectors).Select(_ => Register(loop))];
    }

    public override IReadOnlyList<EventFdHandle> EventFds => [.. _sources.Select(s => s.EventFd)];

    public override long Cpu(long producer) => Floor.floor_process_cpu() - producer;

    public override long? Allocated() => _allocations.Read();

    public override long Collect() => Meter.Done;

    public override async ValueTask DisposeAsync()
    {
        foreach (var source in _sources)
            source.Dispose();
        await _actor.GracefulStop(TimeSpan.FromSeconds(30));
        await base.DisposeAsync();
    }

    private SignalSource Register(EventLoop loop)
    {
        var eventFd = EventFdHandle.Create();
        return loop.Register(eventFd, new Handler(eventFd, _actor));
    }

    private sealed class Handler(EventFdHandle eventFd, IActorRef subscriber) : ISignalHandler, INoSerializationVerificationNeeded
    {
        public void OnSignal() => subscriber.Tell(this, ActorRefs.NoSender);

        public long Take() => eventFd.Read();
    }

    private sealed class Subscriber(Meter meter) : UntypedActor
    {
        protected override void OnReceive(object message)
        {
            if (message is Handler fired && fired.Take() is var count and > 0)
                meter.Handled(count);
        }
    }
}
