using Riser.Actors.Interrupts;

namespace Riser.Benchmarks.Interrupts;

/// <summary>One vector: from the signal to the handler that knows how many there were.</summary>
internal sealed class DeliveryBenchmark : IBenchmark
{
    public string Name => "delivery";

    public string What => "one interrupt, from the signal to the handler";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        await using var node = new Node();
        List<Receiver> all =
        [
            new NativeLoop(1, edge: false) { Variant = "C epoll + read" },
            new NativeLoop(1, edge: true) { Variant = "C edge-triggered, not read" },
            new LoopCallback(1, node.Reactor) { Variant = "C# callback on the reactor" },
            new VectorSubscribers(node.System, 1, InterruptCounting.Exact) { Variant = "actor on the reactor, exact", IsOurs = true },
            new VectorSubscribers(node.System, 1, InterruptCounting.EdgeOnly) { Variant = "actor on the reactor, edge-only", IsOurs = true },
            new VectorSubscribers(node.System, 1, InterruptCounting.Exact, onReactor: false) { Variant = "actor on Akka's default dispatcher, exact" },
        ];
        Load[] loads =
        [
            new("one core", OneCore: true, scope.Events(10_000)),
            // Time to fall asleep: else the next signal races with epoll_wait, and a ratio tells who won.
            new("free, back to back (10 µs)", OneCore: false, scope.Events(5_000), GapNs: 10_000),
            new("free, 200 µs gaps", OneCore: false, scope.Events(2_000), GapNs: 200_000),
        ];
        List<Row> rows = [.. loads.SelectMany(load => Contest.Run(Name, "µs", 1_000, all, load, scope))];
        Contest.Check(all);
        foreach (var receiver in all)
            await receiver.DisposeAsync();
        return rows;
    }
}
