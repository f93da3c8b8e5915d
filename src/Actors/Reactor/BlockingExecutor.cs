using Akka.Configuration;
using Akka.Dispatch;

namespace Riser.Actors.Reactor;

/// <summary>
/// <c>executor = "Riser.Actors.Reactor.BlockingExecutor, Riser.Actors"</c>: a dispatcher for actors that make blocking
/// calls, on threads of its own. See <see cref="BlockingThreads"/>.
/// </summary>
internal sealed class BlockingExecutor(Config config, IDispatcherPrerequisites prerequisites) : ExecutorServiceConfigurator(config, prerequisites)
{
    public override ExecutorService Produce(string id) => new Service(id, new BlockingThreads("riser-session", BlockingSettings.From(Config), TimeProvider.System));

    private sealed class Service(string id, BlockingThreads threads) : ExecutorService(id)
    {
        public override void Execute(IRunnable run) => threads.Run(run);

        // Akka.NET does this whenever the dispatcher's last actor has ended, and makes a new service when there is one again.
        public override void Shutdown() => threads.Dispose();
    }
}
