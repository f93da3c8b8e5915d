using Riser.Actors.Interrupts;

namespace Riser.Benchmarks.Interrupts;

/// <summary>Many vectors of one device at once: what one event costs.</summary>
internal sealed class BurstBenchmark : IBenchmark
{
    public string Name => "bursts";

    public string What => "every vector of a device signalled once, as fast as it goes; time for a whole burst, CPU for each event";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        List<Row> rows = [];
        foreach (int vectors in (int[])[64, 1_024, 2_048])
            rows.AddRange(await RunAsync(vectors, scope));
        return rows;
    }

    private async Task<IReadOnlyList<Row>> RunAsync(int vectors, Scope scope)
    {
        await using var node = new Node();
        List<Receiver> all =
        [
            new NativeLoop(vectors, edge: false) { Variant = "C epoll + read" },
            new NativeLoop(vectors, edge: true) { Variant = "C edge-triggered, not read" },
            new LoopCallback(vectors, node.Reactor) { Variant = "C# callback on the reactor" },
            new VectorSubscribers(node.System, vectors, InterruptCounting.Exact) { Variant = "one actor on the reactor, exact", IsOurs = true },
            new VectorSubscribers(node.System, vectors, InterruptCounting.EdgeOnly) { Variant = "one actor on the reactor, edge-only", IsOurs = true },
            new VectorSubscribers(node.System, vectors, InterruptCounting.Exact, actorEach: true) { Variant = "an actor for each vector, exact", IsOurs = true },
            new VectorSubscribers(node.System, vectors, InterruptCounting.Exact, onReactor: false) { Variant = "one actor on Akka's default dispatcher, exact" },
        ];
        long rounds = Math.Max(5, scope.Events(32_768) / vectors);
        Load[] loads =
        [
            new($"{vectors} vectors, one core", OneCore: true, rounds, Stamped: false),
            new($"{vectors} vectors, free", OneCore: false, rounds, Stamped: false),
        ];
        List<Row> rows = [.. loads.SelectMany(load => Contest.Run(Name, "µs", 1_000, all, load, scope))];
        Contest.Check(all);
        foreach (var receiver in all)
            await receiver.DisposeAsync();
        return rows;
    }
}
