using System.Diagnostics;
using Akka.Actor;

namespace Riser.Benchmarks.Devices;

/// <summary>
/// The floor below <see cref="RegionLoad"/>: as many messages between as many actors on the same dispatchers, which do nothing. A
/// command passes from its driver to a region, its device and their session, and the answer goes the same way back.
/// </summary>
internal static class MessageChain
{
    /// <summary>Two commands and their answers for each pair.</summary>
    /// <returns>Microseconds for each pair.</returns>
    public static async Task<double[]> PairsAsync(Node node, int pairs)
    {
        var done = new TaskCompletionSource<double[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        var session = node.System.ActorOf(Props.Create(() => new Link(null)).WithDispatcher("riser.session-dispatcher"));
        var device = node.System.ActorOf(Props.Create(() => new Link(session)).WithDispatcher("riser.device-dispatcher"));
        var region = node.System.ActorOf(Props.Create(() => new Link(device)).WithDispatcher("riser.device-dispatcher"));
        node.System.ActorOf(Props.Create(() => new Driver(region, pairs, done)).WithDispatcher("riser.device-dispatcher"));
        double[] elapsed = await done.Task.WaitAsync(TimeSpan.FromMinutes(2));
        foreach (var link in (IActorRef[])[session, device, region])
            node.System.Stop(link);
        return elapsed;
    }

    private sealed record There;

    private sealed record Back;

    private sealed class Link(IActorRef? next) : UntypedActor
    {
        private IActorRef _asked = ActorRefs.Nobody;

        protected override void OnReceive(object message)
        {
            if (message is Back)
            {
                _asked.Tell(message);
                return;
            }

            _asked = Sender;
            if (next is null)
                Sender.Tell(new Back());
            else
                next.Tell(message);
        }
    }

    private sealed class Driver(IActorRef region, int pairs, TaskCompletionSource<double[]> done) : UntypedActor
    {
        private readonly double[] _elapsed = new double[pairs];
        private int _answers;
        private long _start;

        protected override void PreStart() => Ask();

        protected override void OnReceive(object message)
        {
            if (++_answers % 2 == 0)
                _elapsed[(_answers / 2) - 1] = Stopwatch.GetElapsedTime(_start).TotalMicroseconds;
            if (_answers < 2 * pairs)
            {
                Ask();
                return;
            }

            done.SetResult(_elapsed);
            Context.Stop(Self);
        }

        private void Ask()
        {
            if (_answers % 2 == 0)
                _start = Stopwatch.GetTimestamp();
            region.Tell(new There());
        }
    }
}
