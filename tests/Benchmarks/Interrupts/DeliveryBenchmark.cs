using Riser.Actors.Interrupts;

namespace Riser.Benchmarks.Interrupts;

/// <summary>One vector: from the signal to the handler that knows how many there were.</summary>
internal sealed class DeliveryBenchmark : IBenchmark
{
    // A little more than the longest gap below and the wake-up from it, and all of a processor: what polling can do at most.
    private const string Unsparing = "longest = 300us, cpu-share = 1";

    private static readonly Goals s_blocking = new() { OneCore = (1.25, 1.5), Free = (1.1, 1.5) };
    private static readonly Goals s_adaptive = new() { BackToBack = 0.10 };
    private static readonly Goals s_unsparing = new() { BackToBack = 0.10, WithGaps = 0.45 };

    public string Name => "delivery";

    public string What => "one interrupt, from the signal to the handler";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        await using var blocking = new Node(polling: Node.Blocking);
        await using var adaptive = new Node();
        await using var unsparing = new Node(polling: Unsparing);
        List<Receiver> all =
        [
            new NativeLoop(1) { Variant = Contest.FloorName },
            new NativeLoop(1, edge: true) { Variant = "C edge-triggered, not read" },
            new NativeLoop(1, spins: true) { Variant = "C epoll + read, never sleeps" },
            new LoopCallback(1, blocking.Reactor) { Variant = "C# callback on the reactor" },
            new LoopChannel(1, blocking.Reactor) { Variant = "C# System.Threading.Channels" },
            new VectorSubscribers(blocking.System, 1, InterruptCounting.Exact) { Variant = "actor on the reactor, exact", Goals = s_blocking },
            new VectorSubscribers(blocking.System, 1, InterruptCounting.EdgeOnly) { Variant = "actor on the reactor, edge-only", Goals = s_blocking },
            new VectorSubscribers(adaptive.System, 1, InterruptCounting.Exact) { Variant = "the same, polls as by default, exact", Goals = s_adaptive },
            new VectorSubscribers(unsparing.System, 1, InterruptCounting.Exact) { Variant = "the same, polls ≤ 300 µs, whole processor, exact", Goals = s_unsparing },
            new VectorSubscribers(unsparing.System, 1, InterruptCounting.EdgeOnly) { Variant = "the same, polls ≤ 300 µs, whole processor, edge-only", Goals = s_unsparing },
            new VectorSubscribers(blocking.System, 1, InterruptCounting.Exact, onReactor: false) { Variant = "actor on Akka's default dispatcher, exact" },
            new VectorSubscribers(blocking.System, 1, InterruptCounting.EdgeOnly, onReactor: false) { Variant = "actor on Akka's default dispatcher, edge-only" },
        ];
        Load[] loads =
        [
            new("one core", OneCore: true, scope.Events(10_000)),
            // Time to fall asleep: else the next signal races with epoll_wait, and a ratio tells who won.
            new("free, back to back (10 µs)", OneCore: false, scope.Events(5_000), Load.BackToBackNs) { Longer = 3 },
            new("free, 200 µs gaps", OneCore: false, scope.Events(1_200), GapNs: 200_000) { Longer = 3 },
        ];
        List<Row> rows = [.. loads.SelectMany(load => Contest.Run(Name, "µs", 1_000, all, load, scope))];
        Contest.Check(all);
        foreach (var receiver in all)
            await receiver.DisposeAsync();
        return rows;
    }
}
