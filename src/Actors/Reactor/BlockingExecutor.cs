using Akka.Configuration;
using Akka.Dispatch;

namespace Riser.Actors.Reactor;

/// <summary>
/// <c>executor = "Riser.Actors.Reactor.BlockingExecutor, Riser.Actors"</c>: a dispatcher for actors that make blocking
/// calls, on threads of its own. See <see cref="BlockingThreads"/>.
/// </summary>
internal sealed class BlockingExecutor(Config config, IDispatcherPrerequisites prerequisites) : ExecutorServiceConfigurator(config, prerequisites)
{
    public override ExecutorService Produce(string id) => new BlockingService(id, SessionThreads.For(Prerequisites.Settings.System, id), isPrompt: false);
}

/// <summary>
/// <c>executor = "Riser.Actors.Reactor.PromptExecutor, Riser.Actors"</c>: a dispatcher for actors that never block, on the threads of
/// <c>riser.session-dispatcher</c>. What such an actor tells another one there is run next, on the same thread.
/// </summary>
internal sealed class PromptExecutor(Config config, IDispatcherPrerequisites prerequisites) : ExecutorServiceConfigurator(config, prerequisites)
{
    public override ExecutorService Produce(string id) =>
        new BlockingService(id, SessionThreads.For(Prerequisites.Settings.System, "riser.session-dispatcher"), isPrompt: true);
}

/// <summary>The dispatcher's side of <see cref="BlockingThreads"/>.</summary>
internal sealed class BlockingService(string id, BlockingThreads threads, bool isPrompt) : ExecutorService(id)
{
    public override void Execute(IRunnable run) => threads.Run(run, isPrompt);

    // The threads belong to the system and not to one dispatcher, which Akka.NET shuts down whenever its last actor ends.
    public override void Shutdown()
    {
    }
}
