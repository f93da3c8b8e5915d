using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;

namespace Riser.Benchmarks.Micro;

/// <summary>Micro-benchmarks of one class, by BenchmarkDotNet, in this process: the floor and the system under test are loaded already.</summary>
internal static class MicroSuite
{
    /// <summary>Runs each benchmark of a class.</summary>
    /// <returns>By name of the method, with its parameters if it has any ("Find 1000"): nanoseconds (median) and bytes of one operation.</returns>
    /// <exception cref="RefusalException">One did not run.</exception>
    public static IReadOnlyDictionary<string, (double Nanoseconds, double Bytes)> Run<T>(Scope scope)
    {
        var job = Job.Default
            .WithToolchain(InProcessEmitToolchain.Instance)
            .WithIterationTime(TimeInterval.FromMilliseconds(scope.IsQuick ? 20 : 100))
            .WithWarmupCount(scope.IsQuick ? 3 : 8)
            .WithIterationCount(scope.IsQuick ? 5 : 15);
        var config = ManualConfig.CreateEmpty()
            .AddJob(job)
            .AddLogger(NullLogger.Instance)
            .AddColumnProvider(DefaultColumnProviders.Instance)
            .AddDiagnoser(MemoryDiagnoser.Default)
            .WithOptions(ConfigOptions.DisableLogFile)
            .WithArtifactsPath(Path.Combine(AppContext.BaseDirectory, "micro"));
        var summary = BenchmarkRunner.Run<T>(config);
        var results = new Dictionary<string, (double, double)>(StringComparer.Ordinal);
        foreach (var report in summary.Reports)
            results[string.Join(' ', [report.BenchmarkCase.Descriptor.WorkloadMethod.Name, .. report.BenchmarkCase.Parameters.Items.Select(p => $"{p.Value}")])] = Read(report);
        return results.Count > 0 ? results : throw new RefusalException($"No benchmark of {typeof(T).Name} ran: {string.Join("; ", summary.ValidationErrors.Select(e => e.Message))}");
    }

    private static (double Nanoseconds, double Bytes) Read(BenchmarkReport report) => report.ResultStatistics is { } statistics
        ? (statistics.Median, report.GcStats.GetBytesAllocatedPerOperation(report.BenchmarkCase) ?? 0)
        : throw new RefusalException($"{report.BenchmarkCase.DisplayInfo} did not run: {string.Join("; ", report.ExecuteResults.SelectMany(r => r.Errors))}");
}
