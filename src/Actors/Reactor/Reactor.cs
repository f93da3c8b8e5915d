using Akka.Actor;

namespace Riser.Actors.Reactor;

/// <summary>
/// The epoll threads of one actor system, from <c>riser.reactor</c>. They start with the first use and end with the
/// system, after its last actor. Thread-safe.
/// </summary>
internal sealed class Reactor : IExtension, IDisposable
{
    private readonly EventLoop[] _loops;
    private uint _next;

    /// <param name="settings">How many threads, and how much a turn of each may do.</param>
    public Reactor(ReactorSettings settings)
    {
        _loops = new EventLoop[settings.Threads];
        for (int i = 0; i < _loops.Length; i++)
        {
            _loops[i] = new EventLoop($"riser-reactor-{i}", settings, settings.ProcessorOf(i));
            Telemetry.Add(_loops[i]);
        }
    }

    /// <summary>The loops, in the order of their threads' names.</summary>
    public IReadOnlyList<EventLoop> Loops => _loops;

    private static Provider Extension { get; } = new();

    /// <summary>The reactor of <paramref name="system"/>; the first call adds reference.conf to the system and starts the threads.</summary>
    /// <exception cref="Akka.Configuration.ConfigurationException">A key of <c>riser.reactor</c> is wrong.</exception>
    public static Reactor For(ActorSystem system) => system.TryGetExtension<Reactor>(out var reactor) ? reactor : Extension.Apply(system);

    /// <summary>The loop with the fewest eventfds; among equals each in its turn.</summary>
    public EventLoop Assign()
    {
        uint first = Interlocked.Increment(ref _next);
        var best = _loops[first % (uint)_loops.Length];
        for (uint i = 1; i < (uint)_loops.Length; i++)
        {
            var other = _loops[(first + i) % (uint)_loops.Length];
            if (other.Load < best.Load)
                best = other;
        }

        return best;
    }

    /// <summary>Ends every loop once it has run what it was given; the system does this itself when it terminates.</summary>
    public void Dispose()
    {
        foreach (var loop in _loops)
        {
            Telemetry.Remove(loop);
            loop.Dispose();
        }
    }

    private sealed class Provider : ExtensionIdProvider<Reactor>
    {
        public override Reactor CreateExtension(ExtendedActorSystem system)
        {
            ReferenceConfig.AddTo(system);
            var reactor = new Reactor(ReactorSettings.From(system.Settings.Config.GetConfig("riser.reactor")));
            system.RegisterOnTermination(reactor.Dispose);
            return reactor;
        }
    }
}
