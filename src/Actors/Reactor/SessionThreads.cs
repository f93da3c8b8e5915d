using Akka.Actor;
using Akka.Configuration;

namespace Riser.Actors.Reactor;

/// <summary>
/// The threads of each dispatcher that is a <see cref="BlockingExecutor"/>, by the dispatcher's id: they belong to the actor system, since
/// several dispatchers may share them. Thread-safe.
/// </summary>
internal sealed class SessionThreads : IExtension
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, BlockingThreads> _threads = new(StringComparer.Ordinal);
    private readonly ExtendedActorSystem _system;
    private bool _ended;

    private SessionThreads(ExtendedActorSystem system)
    {
        _system = system;
        system.RegisterOnTermination(End);
    }

    private static Provider Extension { get; } = new();

    /// <summary>Those of a dispatcher of <paramref name="system"/>; they start with their work.</summary>
    /// <exception cref="Akka.Configuration.ConfigurationException">A key of the dispatcher's section is wrong.</exception>
    public static BlockingThreads For(ActorSystem system, string dispatcher) =>
        (system.TryGetExtension<SessionThreads>(out var threads) ? threads : Extension.Apply(system)).Of(dispatcher);

    private BlockingThreads Of(string dispatcher)
    {
        lock (_gate)
        {
            if (!_threads.TryGetValue(dispatcher, out var threads))
            {
                string name = dispatcher.EndsWith("-dispatcher", StringComparison.Ordinal) ? dispatcher[..^"-dispatcher".Length] : dispatcher;
                threads = new(name.Replace('.', '-'), BlockingSettings.From(SectionOf(dispatcher)), TimeProvider.System);
                _threads.Add(dispatcher, threads);
                if (_ended)
                    threads.Dispose();
            }
            return threads;
        }
    }

    // With its id in it, as Akka.NET gives it to a dispatcher.
    private Config SectionOf(string dispatcher) =>
        ConfigurationFactory.ParseString($"id = \"{dispatcher}\"").WithFallback(_system.Settings.Config.GetConfig(dispatcher));

    // Work that comes later still runs, and leaves no thread behind.
    private void End()
    {
        lock (_gate)
        {
            _ended = true;
            foreach (var threads in _threads.Values)
                threads.Dispose();
        }
    }

    private sealed class Provider : ExtensionIdProvider<SessionThreads>
    {
        public override SessionThreads CreateExtension(ExtendedActorSystem system) => new(system);
    }
}
