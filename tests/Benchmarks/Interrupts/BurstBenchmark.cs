using Riser.Actors.Interrupts;

namespace Riser.Benchmarks.Interrupts;

/// <summary>Many vectors of one device at once: what one event costs.</summary>
internal sealed class BurstBenchmark : IBenchmark
{
    private const int Judged = 1_024; // the number of vectors for which there are targets

    public string Name => "bursts";

    public string What => "every vector of a device signalled once, as fast as it goes; time for a whole burst, CPU for each event";

    // In two parts, each beside its own floor: together they would need more descriptors than many a machine lends (EMFILE).
    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        List<Row> rows = [];
        foreach (int vectors in (int[])[64, Judged, 2_048])
        {
            await using var node = new Node(polling: Node.Blocking);
            await using var adaptive = new Node();
            var first = await RunAsync(vectors, Messages(vectors, node), scope);
            var second = await RunAsync(vectors, Others(vectors, node, adaptive), scope);
            rows.AddRange([.. first, .. second.Where(r => r.Variant != Contest.FloorName)]);
        }

        return rows;
    }

    private static List<Receiver> Messages(int vectors, Node node) =>
    [
        new NativeLoop(vectors) { Variant = Contest.FloorName },
        new NativeLoop(vectors, edge: true) { Variant = "C edge-triggered, not read" },
        new VectorSubscribers(node.System, vectors, InterruptCounting.Exact) { Variant = "one actor, a message for each, exact", Goals = Exact(vectors) },
        new VectorSubscribers(node.System, vectors, InterruptCounting.EdgeOnly) { Variant = "one actor, a message for each, edge-only", Goals = EdgeOnly(vectors) },
        new VectorSubscribers(node.System, vectors, InterruptCounting.Exact, oneMessage: true) { Variant = "one actor, one message (InterruptSet), exact", Goals = Exact(vectors) },
        new VectorSubscribers(node.System, vectors, InterruptCounting.EdgeOnly, oneMessage: true) { Variant = "one actor, one message (InterruptSet), edge-only", Goals = EdgeOnly(vectors) },
    ];

    private static List<Receiver> Others(int vectors, Node node, Node adaptive) =>
    [
        new NativeLoop(vectors) { Variant = Contest.FloorName },
        new LoopCallback(vectors, node.Reactor) { Variant = "C# callback on the reactor" },
        .. vectors == Judged ? [new BareMessages(node.System, vectors) { Variant = "C# callback that tells an actor on the reactor" }] : Array.Empty<Receiver>(),
        new LoopChannel(vectors, node.Reactor) { Variant = "C# System.Threading.Channels" },
        new VectorSubscribers(adaptive.System, vectors, InterruptCounting.Exact) { Variant = "one actor, polls as by default, exact", Goals = new() },
        new VectorSubscribers(node.System, vectors, InterruptCounting.Exact, actorEach: true) { Variant = "an actor for each vector, exact", Goals = new() },
        new VectorSubscribers(node.System, vectors, InterruptCounting.Exact, onReactor: false) { Variant = "one actor on Akka's default dispatcher, exact" },
    ];

    private static Goals Exact(int vectors) => new() { Cpu = vectors == Judged ? 1.15 : null };

    private static Goals EdgeOnly(int vectors) => new() { Cpu = vectors == Judged ? 0.30 : null };

    private async Task<IReadOnlyList<Row>> RunAsync(int vectors, List<Receiver> receivers, Scope scope)
    {
        long rounds = Math.Max(5, scope.Events(32_768) / vectors);
        Load[] loads =
        [
            new($"{vectors} vectors, one core", OneCore: true, rounds, Stamped: false),
            new($"{vectors} vectors, one core, all there before the handler runs", OneCore: true, rounds, Stamped: false) { IsWhole = true },
            new($"{vectors} vectors, free", OneCore: false, rounds, Stamped: false),
        ];
        List<Row> rows = [.. loads.SelectMany(load => Contest.Run(Name, "µs", 1_000, receivers, load, scope))];
        Contest.Check(receivers);
        foreach (var receiver in receivers)
            await receiver.DisposeAsync();
        return rows;
    }
}
