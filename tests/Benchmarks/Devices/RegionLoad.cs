using System.Diagnostics;
using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Dma;

namespace Riser.Benchmarks.Devices;

/// <summary>A driver that maps and unmaps as fast as it is answered, and notes how long each time took. It never blocks, and so runs where devices and regions do, if not told otherwise.</summary>
internal static class RegionLoad
{
    /// <summary>Where each command and each answer is handed over from one thread to another.</summary>
    public const string Elsewhere = "akka.actor.default-dispatcher";

    private const string Beside = "riser.device-dispatcher";

    /// <summary><see cref="DmaProtocol.Map"/> and <see cref="DmaProtocol.Unmap"/> in turn.</summary>
    /// <returns>Microseconds for each pair.</returns>
    public static Task<double[]> PairsAsync(Node node, IActorRef region, int pairs, string dispatcher = Beside) =>
        RunAsync(node, region, pairs, new DmaProtocol.Map(), _ => new DmaProtocol.Unmap(), dispatcher);

    /// <summary>A batch of pieces is added by one message and removed by one.</summary>
    /// <param name="node">Where.</param>
    /// <param name="region">Keeps the memory with a piece of its own.</param>
    /// <param name="memory">What the pieces are of.</param>
    /// <param name="size">Bytes of a piece.</param>
    /// <param name="pieces">How many.</param>
    /// <param name="times">How often.</param>
    /// <returns>Microseconds for each time.</returns>
    public static Task<double[]> BatchesAsync(Node node, IActorRef region, DmaMemory memory, ulong size, int pieces, int times)
    {
        var add = new DmaProtocol.AddPieces([.. Enumerable.Range(0, pieces).Select(i => new DmaProtocol.Piece(memory, (ulong)i * size, size))]);
        return RunAsync(node, region, times, add, added => new DmaProtocol.RemovePieces(added), Beside);
    }

    private static async Task<double[]> RunAsync(Node node, IActorRef region, int times, object first, Func<IReadOnlyList<IovaRange>, object> second, string dispatcher)
    {
        var done = new TaskCompletionSource<double[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        node.System.ActorOf(Props.Create(() => new Driver(region, times, first, second, done)).WithDispatcher(dispatcher));
        return await done.Task.WaitAsync(TimeSpan.FromMinutes(2));
    }

    private sealed class Driver(IActorRef region, int times, object first, Func<IReadOnlyList<IovaRange>, object> second, TaskCompletionSource<double[]> done) : UntypedActor
    {
        private readonly double[] _elapsed = new double[times];
        private int _time;
        private long _start;

        protected override void PreStart() => Begin();

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case DmaProtocol.Mapped mapped:
                    region.Tell(second(mapped.Ranges));
                    break;
                case DmaProtocol.PiecesAdded added:
                    region.Tell(second(added.Ranges));
                    break;
                case DmaProtocol.Unmapped or DmaProtocol.PiecesRemoved:
                    _elapsed[_time++] = Stopwatch.GetElapsedTime(_start).TotalMicroseconds;
                    if (_time < times)
                    {
                        Begin();
                        break;
                    }

                    done.SetResult(_elapsed);
                    Context.Stop(Self);
                    break;
                default:
                    done.TrySetException(new RefusalException($"A region answered {message}."));
                    break;
            }
        }

        private void Begin()
        {
            _start = Stopwatch.GetTimestamp();
            region.Tell(first);
        }
    }
}
