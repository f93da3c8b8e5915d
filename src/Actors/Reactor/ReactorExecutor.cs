using System.Runtime.CompilerServices;
using Akka.Configuration;
using Akka.Dispatch;

namespace Riser.Actors.Reactor;

/// <summary>
/// <c>executor = "Riser.Actors.Reactor.ReactorExecutor, Riser.Actors"</c>: a dispatcher whose mailboxes run on the epoll
/// threads. A mailbox that a loop's own thread fills runs on that thread, without a system call; one that is filled from
/// outside always goes to the same loop.
/// </summary>
internal sealed class ReactorExecutor(Config config, IDispatcherPrerequisites prerequisites) : ExecutorServiceConfigurator(config, prerequisites)
{
    public override ExecutorService Produce(string id) => new Service(id, Reactor.For(Prerequisites.Settings.System));

    private sealed class Service(string id, Reactor reactor) : ExecutorService(id)
    {
        private readonly EventLoop[] _loops = [.. reactor.Loops];

        public override void Execute(IRunnable run)
        {
            var current = EventLoop.Current;
            if (current is null || !Owns(current))
                current = _loops[(uint)RuntimeHelpers.GetHashCode(run) % (uint)_loops.Length];
            current.Post(run);
        }

        // The loops belong to the system and not to one dispatcher, which Akka.NET shuts down whenever its last actor ends.
        public override void Shutdown()
        {
        }

        private bool Owns(EventLoop loop) => Array.IndexOf(_loops, loop) >= 0;
    }
}
