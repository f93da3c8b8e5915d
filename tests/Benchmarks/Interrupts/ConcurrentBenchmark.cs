using Riser.Actors.Interrupts;

namespace Riser.Benchmarks.Interrupts;

/// <summary>A device that waits for nobody: signals come while others are handled.</summary>
internal sealed class ConcurrentBenchmark : IBenchmark
{
    private static readonly Goals s_goals = new() { Cpu = 1.0 };

    public string Name => "concurrent";

    public string What => "vectors signalled in turn without waiting for handlers; time and CPU for each event";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        List<Row> rows = [];
        foreach (int vectors in (int[])[1, 64, 1_024, 2_048])
            rows.AddRange(await RunAsync(vectors, scope));
        return rows;
    }

    private async Task<IReadOnlyList<Row>> RunAsync(int vectors, Scope scope)
    {
        await using var node = new Node(polling: Node.Blocking);
        await using var adaptive = new Node();
        int all = vectors + 1; // the last ends the stream
        List<Receiver> receivers =
        [
            new NativeLoop(all) { Variant = Contest.FloorName },
            new NativeLoop(all, edge: true) { Variant = "C edge-triggered, not read" },
            new LoopCallback(all, node.Reactor) { Variant = "C# callback on the reactor" },
            new LoopChannel(all, node.Reactor) { Variant = "C# System.Threading.Channels" },
            new VectorSubscribers(node.System, all, InterruptCounting.Exact) { Variant = "one actor, a message for each, exact", Goals = s_goals },
            new VectorSubscribers(node.System, all, InterruptCounting.EdgeOnly) { Variant = "one actor, a message for each, edge-only", Goals = s_goals },
            new VectorSubscribers(node.System, all, InterruptCounting.Exact, oneMessage: true) { Variant = "one actor, one message (InterruptSet), exact", Goals = s_goals },
            new VectorSubscribers(adaptive.System, all, InterruptCounting.Exact) { Variant = "one actor, polls as by default, exact", Goals = new() },
            new VectorSubscribers(node.System, all, InterruptCounting.Exact, onReactor: false) { Variant = "one actor on Akka's default dispatcher, exact" },
        ];
        Load[] loads =
        [
            new($"{vectors} vectors, free, as fast as it goes", OneCore: false, scope.Events(50_000), Stamped: false) { IsStream = true },
            new($"{vectors} vectors, free, one every 3 µs", OneCore: false, scope.Events(15_000), GapNs: 3_000, Stamped: false) { IsStream = true },
        ];
        List<Row> rows = [.. loads.SelectMany(load => Contest.Run(Name, "ns", 1, receivers, load, scope))];
        Contest.Check(receivers);
        foreach (var receiver in receivers)
            await receiver.DisposeAsync();
        return rows;
    }
}
