using System.Diagnostics;
using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;

namespace Riser.Benchmarks.Devices;

/// <summary>Mapping and unmapping a region by message, one pair after the other.</summary>
internal sealed class DmaBenchmark : IBenchmark
{
    public string Name => "dma";

    public string What => "map and unmap of a DMA region by two messages to its actor, on the simulated backend";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        await using var node = new Node(devices: 1);
        var device = await node.Runtime.FindAsync(DeviceId.Parse("sim:pony0"));
        await node.Client.AskAsync<DeviceProtocol.SessionReady>(device, new DeviceProtocol.Open());
        List<Row> rows = [];
        foreach (var (size, name) in ((ulong, string)[])[(4 << 10, "4 KiB"), (64 << 10, "64 KiB"), (2 << 20, "2 MiB")])
        {
            scope.Progress($"{Name}: {name}");
            var created = await node.Client.AskAsync<DeviceProtocol.DmaRegionCreated>(device, new DeviceProtocol.CreateDmaRegion(new(DmaMemory.Allocate(size))));
            await node.Client.AskAsync<DmaProtocol.Unmapped>(created.Region, new DmaProtocol.Unmap());
            rows.Add(await MeasureAsync(node, created.Region, name, (int)scope.Events(3_000)));
            await node.Client.AskAsync<DmaProtocol.Released>(created.Region, new DmaProtocol.Release());
        }

        return rows;
    }

    private async Task<Row> MeasureAsync(Node node, IActorRef region, string name, int pairs)
    {
        await RunAsync(node, region, pairs);
        long bytes = GC.GetTotalAllocatedBytes(precise: true);
        long cpu = Floor.floor_process_cpu();
        var (p50, p99) = Statistics.Percentiles(await RunAsync(node, region, pairs));
        cpu = Floor.floor_process_cpu() - cpu;
        bytes = GC.GetTotalAllocatedBytes(precise: true) - bytes;
        return new(Name, $"map + unmap, {name}", "free, one by one", Floor: null)
        {
            Unit = "µs",
            Measured = new(p50, p99, cpu / (double)pairs),
            BytesPerEvent = Math.Round(bytes / (double)pairs),
        };
    }

    private static async Task<double[]> RunAsync(Node node, IActorRef region, int pairs)
    {
        var done = new TaskCompletionSource<double[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        node.System.ActorOf(Props.Create(() => new Driver(region, pairs, done)));
        return await done.Task.WaitAsync(TimeSpan.FromMinutes(1));
    }

    // Asks for the next as soon as the last is answered, as a driver does.
    private sealed class Driver(IActorRef region, int pairs, TaskCompletionSource<double[]> done) : UntypedActor
    {
        private readonly double[] _elapsed = new double[pairs];
        private int _pair;
        private long _start;

        protected override void PreStart() => Begin();

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case DmaProtocol.Mapped:
                    region.Tell(new DmaProtocol.Unmap());
                    break;
                case DmaProtocol.Unmapped:
                    _elapsed[_pair++] = Stopwatch.GetElapsedTime(_start).TotalMicroseconds;
                    if (_pair < pairs)
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
            region.Tell(new DmaProtocol.Map());
        }
    }
}
