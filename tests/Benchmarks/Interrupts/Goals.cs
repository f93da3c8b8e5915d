namespace Riser.Benchmarks.Interrupts;

/// <summary>What a receiver is to reach under a load, as ratios to the floor; null: nothing was set.</summary>
internal sealed class Goals
{
    /// <summary>Median and 99th percentile with everything on one core.</summary>
    public (double P50, double P99)? OneCore { get; init; }

    /// <summary>The same over two cores.</summary>
    public (double P50, double P99)? Free { get; init; }

    /// <summary>Median over two cores where the next signal comes at once.</summary>
    public double? BackToBack { get; init; }

    /// <summary>Median over two cores where the next signal comes after a while.</summary>
    public double? WithGaps { get; init; }

    /// <summary>CPU time for each event.</summary>
    public double? Cpu { get; init; }

    /// <summary>The targets of one row.</summary>
    public IReadOnlyList<Target> For(Load load, Row row)
    {
        List<Target> targets = [];
        if ((load.OneCore ? OneCore : Free) is { } latency)
            targets.AddRange([Target.AtMost("p50", latency.P50, row.RatioP50, " × C"), Target.AtMost("p99", latency.P99, row.RatioP99, " × C")]);
        if (!load.OneCore && (load.GapNs > Load.BackToBackNs ? WithGaps : BackToBack) is { } median)
            targets.Add(Target.AtMost("p50", median, row.RatioP50, " × C"));
        if (Cpu is { } cpu)
            targets.Add(Target.AtMost("CPU", cpu, row.RatioCpu, " × C"));
        targets.Add(Target.NoBytes(row.BytesPerEvent));
        return targets;
    }
}
