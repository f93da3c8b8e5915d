using Riser.Benchmarks.Devices;
using Riser.Benchmarks.Interrupts;
using Riser.Benchmarks.Lab;
using Riser.Benchmarks.Registers;

namespace Riser.Benchmarks;

/// <summary>All benchmarks, in the order in which they run.</summary>
internal static class Suite
{
    public static IReadOnlyList<IBenchmark> All { get; } =
    [
        .. LabMachine.IsThis ? Array.Empty<IBenchmark>() :
        [
            new InProcesses(new ScaleBenchmark()),
            new DeliveryBenchmark(),
            new IdleBenchmark(),
            new LookBenchmark(),
            new BurstBenchmark(),
            new ConcurrentBenchmark(),
            new BarBenchmark(),
            new IovaBenchmark(),
            new DmaBenchmark(),
            new RestartBenchmark(),
        ],
        new InLab(new MemoryBenchmark()),
        new InLab(new VfioDmaBenchmark()),
        new InLab(new ModuleBenchmark()),
    ];

    public static IReadOnlyList<IBenchmark> Matching(IReadOnlyList<string> filters) =>
        filters.Count == 0 ? All : [.. All.Where(b => filters.Any(f => b.Name.Contains(f, StringComparison.OrdinalIgnoreCase)))];

    public static async Task<IReadOnlyList<Row>> RunAsync(IReadOnlyList<IBenchmark> chosen, Scope scope)
    {
        if (LabMachine.IsThis || scope.Part is not null)
        {
            Floor.Load();
        }
        else
        {
            Floor.Compile();
            Cores.Check();
        }

        List<Row> rows = [];
        var inLab = chosen.OfType<InLab>().ToList();
        foreach (var benchmark in LabMachine.IsThis ? chosen : chosen.Except(inLab))
            rows.AddRange(Check(benchmark, await benchmark.RunAsync(scope)));
        if (inLab.Count > 0 && !LabMachine.IsThis)
        {
            var found = await LabMachine.RunAsync([.. inLab.Select(b => b.Name)], scope);
            foreach (var benchmark in inLab)
                rows.AddRange(Check(benchmark, [.. found.Where(r => r.Benchmark == benchmark.Name)]));
        }

        return rows;
    }

    /// <exception cref="RefusalException">Nothing was measured, or something that was to be was not.</exception>
    internal static IReadOnlyList<Row> Check(IBenchmark benchmark, IReadOnlyList<Row> rows)
    {
        if (rows.Count == 0)
            throw new RefusalException($"{benchmark.Name} has measured nothing.");
        if (rows.FirstOrDefault(r => r.Measured.P50 is null || (r.Floor is not null && r.Base is null)) is { } row)
            throw new RefusalException($"{benchmark.Name}: {row.Variant}, {row.Regime} did not run, or its floor did not.");
        return rows;
    }
}
