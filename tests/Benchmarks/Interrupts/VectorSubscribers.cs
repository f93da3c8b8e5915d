using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Interop;
using Riser.Actors.Interrupts;

namespace Riser.Benchmarks.Interrupts;

/// <summary>The product's path: <see cref="VectorChannel"/>s and the actors that subscribe to them.</summary>
internal sealed class VectorSubscribers : Receiver
{
    private readonly VectorChannel[] _channels;
    private readonly IActorRef[] _actors;
    private readonly ThreadAllocations? _allocations; // null: not on a reactor's thread
    private readonly bool _polls;

    /// <param name="system">Where the actors are.</param>
    /// <param name="vectors">How many channels.</param>
    /// <param name="counting">What they subscribe for.</param>
    /// <param name="onReactor">Whether they run on the reactor's dispatcher; else on Akka's default one.</param>
    /// <param name="actorEach">An actor for each vector; else one for all.</param>
    /// <param name="oneMessage">One <see cref="InterruptSet"/> for all; else a message for each vector.</param>
    public VectorSubscribers(ActorSystem system, int vectors, InterruptCounting counting, bool onReactor = true, bool actorEach = false, bool oneMessage = false)
    {
        var loop = Actors.Reactor.Reactor.For(system).Assign();
        _polls = system.Settings.Config.GetString("riser.reactor.polling.longest") != "off";
        _allocations = onReactor ? new(loop) : null;
        var props = Props.Create(() => new Subscriber(Meter));
        if (onReactor)
            props = props.WithDispatcher("riser.reactor-dispatcher");
        _actors = [.. Enumerable.Range(0, actorEach ? vectors : 1).Select(_ => system.ActorOf(props))];
        var device = DeviceId.Parse("sim:bench");
        _channels = [.. Enumerable.Range(0, vectors).Select(v => new VectorChannel(device, VectorKind.MsiX, v, loop))];
        var set = oneMessage ? new InterruptSet(vectors) : null;
        for (int v = 0; v < vectors; v++)
            _channels[v].Subscribe(_actors[v % _actors.Length], counting, set: set);
    }

    public override bool NeedsTwoCores => _polls;

    public override IReadOnlyList<EventFdHandle> EventFds => [.. _channels.Select(c => c.EventFd)];

    public override long Cpu(long producer) => Floor.floor_process_cpu() - producer;

    public override long? Allocated() => _allocations?.Read() ?? GC.GetTotalAllocatedBytes(precise: true);

    public override long Collect() => _channels.Sum(c => c.Drain());

    public override async ValueTask DisposeAsync()
    {
        foreach (var channel in _channels)
            channel.Dispose();
        await Task.WhenAll(_actors.Select(a => a.GracefulStop(TimeSpan.FromSeconds(30))));
        await base.DisposeAsync();
    }

    private sealed class Subscriber(Meter meter) : UntypedActor
    {
        protected override void OnReceive(object message)
        {
            if (message is InterruptSet set)
            {
                foreach (var (signal, count) in set.Take())
                    Handle(signal, count);
            }
            else if (message is InterruptSignal signal && signal.Take() is var count and > 0) // 0: collected by an earlier Take
            {
                Handle(signal, count);
            }
        }

        private void Handle(InterruptSignal signal, long count)
        {
            if (signal.Counting == InterruptCounting.Exact)
                meter.Handled(count);
            else
                meter.Heard(signal.Vector);
        }
    }
}
