using Riser.Benchmarks.Devices;
using Riser.Benchmarks.Interrupts;
using Riser.Benchmarks.Registers;

namespace Riser.Benchmarks;

/// <summary>All benchmarks, in the order in which they run: memory first, while the process is small.</summary>
internal static class Suite
{
    public static IReadOnlyList<IBenchmark> All { get; } =
    [
        new ScaleBenchmark(),
        new DeliveryBenchmark(),
        new BurstBenchmark(),
        new BarBenchmark(),
        new DmaBenchmark(),
        new RestartBenchmark(),
    ];

    public static IReadOnlyList<IBenchmark> Matching(IReadOnlyList<string> filters) =>
        filters.Count == 0 ? All : [.. All.Where(b => filters.Any(f => b.Name.Contains(f, StringComparison.OrdinalIgnoreCase)))];

    public static async Task<IReadOnlyList<Row>> RunAsync(IReadOnlyList<IBenchmark> chosen, Scope scope)
    {
        Floor.Compile();
        Cores.Check();
        List<Row> rows = [];
        foreach (var benchmark in chosen)
            rows.AddRange(await benchmark.RunAsync(scope));
        return rows;
    }
}
