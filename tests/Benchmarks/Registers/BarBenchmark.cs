using System.Diagnostics;
using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Benchmarks.Micro;

namespace Riser.Benchmarks.Registers;

/// <summary>The checked accessor of a BAR that is memory, against volatile accesses in C to memory as near; and the same by message.</summary>
internal sealed class BarBenchmark : IBenchmark
{
    private const double Limit = 2.0;
    private const int MemoryBar = 2;

    public string Name => "registers";

    public string What => "one access to a register through the checked accessor of a mapped BAR, and by message";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        await using var node = new Node(devices: 1);
        var device = await node.Runtime.FindAsync(DeviceId.Parse("sim:pony0"));
        await node.Client.AskAsync<DeviceProtocol.SessionReady>(device, new DeviceProtocol.Open());
        var bar = (await node.Client.AskAsync<DeviceProtocol.BarOpened>(device, new DeviceProtocol.OpenBar(MemoryBar))).Bar;
        if (bar.Info.Mapped.Count == 0)
            throw new RefusalException($"BAR {MemoryBar} of the simulated device is not mapped.");
        bar.Write64(64, 1);
        RegisterAccess.Bar = bar;
        scope.Progress(Name);
        var measured = MicroSuite.Run<RegisterAccess>(scope);
        return
        [
            Direct("read, 32 bits", measured, nameof(RegisterAccess.Read32), nameof(RegisterAccess.FloorRead32)),
            Direct("read, 64 bits", measured, nameof(RegisterAccess.Read64), nameof(RegisterAccess.FloorRead64)),
            Direct("write, 32 bits", measured, nameof(RegisterAccess.Write32), nameof(RegisterAccess.FloorWrite32)),
            Direct("write, 64 bits", measured, nameof(RegisterAccess.Write64), nameof(RegisterAccess.FloorWrite64)),
            await MessageAsync("read, 32 bits, by message (ReadBar)", "riser.device-dispatcher", node, device, (int)scope.Events(20_000), scope),
            await MessageAsync("the same, driver on Akka's default dispatcher", "akka.actor.default-dispatcher", node, device, (int)scope.Events(20_000), scope),
        ];
    }

    private Row Direct(string variant, IReadOnlyDictionary<string, (double Nanoseconds, double Bytes)> measured, string ours, string floor)
    {
        var row = new Row(Name, variant, "one thread", "C volatile")
        {
            Unit = "ns",
            Measured = new(measured[ours].Nanoseconds),
            Base = new(measured[floor].Nanoseconds),
            BytesPerEvent = measured[ours].Bytes,
        };
        return row with { Targets = [Target.AtMost("p50", Limit, row.RatioP50, " × C"), Target.NoBytes(row.BytesPerEvent)] };
    }

    private async Task<Row> MessageAsync(string variant, string dispatcher, Node node, IActorRef device, int times, Scope scope)
    {
        scope.Progress($"{Name}: by message, {dispatcher}");
        await Warmth.ReachAsync(Warmth.Usual, () => ReadAsync(dispatcher, node, device, times));
        long bytes = GC.GetTotalAllocatedBytes(precise: true);
        long cpu = Floor.floor_process_cpu();
        var (p50, p99) = Statistics.Percentiles(await ReadAsync(dispatcher, node, device, times));
        cpu = Floor.floor_process_cpu() - cpu;
        bytes = GC.GetTotalAllocatedBytes(precise: true) - bytes;
        return new(Name, variant, "one under way at a time", Floor: null)
        {
            Unit = "ns",
            Measured = new(p50, p99, cpu / (double)times),
            BytesPerEvent = Math.Round(bytes / (double)times),
        };
    }

    private static async Task<double[]> ReadAsync(string dispatcher, Node node, IActorRef device, int times)
    {
        var done = new TaskCompletionSource<double[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        node.System.ActorOf(Props.Create(() => new Reader(device, times, done)).WithDispatcher(dispatcher));
        return await done.Task.WaitAsync(TimeSpan.FromMinutes(1));
    }

    private sealed class Reader(IActorRef device, int times, TaskCompletionSource<double[]> done) : UntypedActor
    {
        private readonly DeviceProtocol.ReadBar _read = new(MemoryBar, 64, 4);
        private readonly double[] _elapsed = new double[times];
        private int _time;
        private long _start;

        protected override void PreStart() => Begin();

        protected override void OnReceive(object message)
        {
            if (message is not DeviceProtocol.BarValue)
            {
                done.TrySetException(new RefusalException($"A register answered {message}."));
                return;
            }
            _elapsed[_time++] = Stopwatch.GetElapsedTime(_start).TotalNanoseconds;
            if (_time < times)
            {
                Begin();
                return;
            }
            done.SetResult(_elapsed);
            Context.Stop(Self);
        }

        private void Begin()
        {
            _start = Stopwatch.GetTimestamp();
            device.Tell(_read);
        }
    }
}
