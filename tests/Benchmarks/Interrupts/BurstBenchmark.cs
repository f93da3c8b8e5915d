using Riser.Actors.Interrupts;

namespace Riser.Benchmarks.Interrupts;

/// <summary>Many vectors of one device at once: what one event costs.</summary>
internal sealed class BurstBenchmark : IBenchmark
{
    private const int Judged = 1_024; // the number of vectors for which there are targets

    public string Name => "bursts";

    public string What => "every vector of a device signalled once, as fast as it goes; time for a whole burst, CPU for each event";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        List<Row> rows = [];
        foreach (int vectors in (int[])[64, Judged, 2_048])
            rows.AddRange(await RunAsync(vectors, scope));
        return rows;
    }

    private async Task<IReadOnlyList<Row>> RunAsync(int vectors, Scope scope)
    {
        await using var node = new Node(polling: Node.Blocking);
        await using var adaptive = new Node();
        var exact = new Goals { Cpu = vectors == Judged ? 1.15 : null };
        var edgeOnly = new Goals { Cpu = vectors == Judged ? 0.30 : null };
        List<Receiver> all =
        [
            new NativeLoop(vectors) { Variant = Contest.FloorName },
            new NativeLoop(vectors, edge: true) { Variant = "C edge-triggered, not read" },
            new LoopCallback(vectors, node.Reactor) { Variant = "C# callback on the reactor" },
            new LoopChannel(vectors, node.Reactor) { Variant = "C# System.Threading.Channels" },
            new VectorSubscribers(node.System, vectors, InterruptCounting.Exact) { Variant = "one actor on the reactor, exact", Goals = exact },
            new VectorSubscribers(node.System, vectors, InterruptCounting.EdgeOnly) { Variant = "one actor on the reactor, edge-only", Goals = edgeOnly },
            new VectorSubscribers(node.System, vectors, InterruptCounting.Exact, oneMessage: true) { Variant = "one message for all (InterruptSet), exact", Goals = exact },
            new VectorSubscribers(node.System, vectors, InterruptCounting.EdgeOnly, oneMessage: true) { Variant = "one message for all (InterruptSet), edge-only", Goals = edgeOnly },
            new VectorSubscribers(adaptive.System, vectors, InterruptCounting.Exact) { Variant = "one actor on the reactor, polls as by default, exact", Goals = new() },
            new VectorSubscribers(node.System, vectors, InterruptCounting.Exact, actorEach: true) { Variant = "an actor for each vector, exact", Goals = new() },
            new VectorSubscribers(node.System, vectors, InterruptCounting.Exact, onReactor: false) { Variant = "one actor on Akka's default dispatcher, exact" },
        ];
        long rounds = Math.Max(5, scope.Events(32_768) / vectors);
        Load[] loads =
        [
            new($"{vectors} vectors, one core", OneCore: true, rounds, Stamped: false),
            new($"{vectors} vectors, one core, all there before the handler runs", OneCore: true, rounds, Stamped: false) { IsWhole = true },
            new($"{vectors} vectors, free", OneCore: false, rounds, Stamped: false),
        ];
        List<Row> rows = [.. loads.SelectMany(load => Contest.Run(Name, "µs", 1_000, all, load, scope))];
        Contest.Check(all);
        foreach (var receiver in all)
            await receiver.DisposeAsync();
        return rows;
    }
}
