using System.Text.Json.Serialization;

namespace Riser.Benchmarks;

/// <summary>One line of the report: the ratio to the floor of the same run and regime first, what was measured beside it.</summary>
/// <param name="Benchmark">What is measured.</param>
/// <param name="Variant">In which way.</param>
/// <param name="Regime">On how many cores, and how fast events come.</param>
/// <param name="Floor">What the ratios are against; null: none.</param>
internal sealed record Row(string Benchmark, string Variant, string Regime, string? Floor)
{
    [JsonPropertyName("ratioP50")]
    public double? RatioP50 => Ratio(Measured.P50, Base?.P50);

    [JsonPropertyName("ratioP99")]
    public double? RatioP99 => Ratio(Measured.P99, Base?.P99);

    public double? RatioCpu => Ratio(Measured.CpuNs, Base?.CpuNs);

    /// <summary>Bytes allocated for each event in steady state.</summary>
    public double? BytesPerEvent { get; init; }

    /// <summary>What <see cref="Figures.P50"/> and <see cref="Figures.P99"/> count.</summary>
    public required string Unit { get; init; }

    public required Figures Measured { get; init; }

    /// <summary>The floor's own figures.</summary>
    [JsonPropertyName("floorMeasured")]
    public Figures? Base { get; init; }

    public IReadOnlyList<Target> Targets { get; init; } = [];

    private static double? Ratio(double? measured, double? floor) => floor > 0 ? measured / floor : null;
}

/// <summary>Absolute values.</summary>
/// <param name="P50">Median, in the row's unit.</param>
/// <param name="P99">99th percentile, in the row's unit; null where there are too few samples for one.</param>
/// <param name="CpuNs">CPU time for each event, ns.</param>
internal sealed record Figures(double? P50, double? P99 = null, double? CpuNs = null);

/// <summary>What was to be reached, and whether it was.</summary>
internal sealed record Target(string What, bool Met)
{
    public static Target AtMost(string what, double limit, double? measured, string unit = "") =>
        new(FormattableString.Invariant($"{what} ≤ {limit}{unit}"), measured <= limit);

    public static Target NoBytes(double? measured) => new("0 bytes", measured == 0);
}
