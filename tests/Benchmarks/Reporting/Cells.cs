using System.Globalization;

namespace Riser.Benchmarks.Reporting;

/// <summary>A row as texts: ratios first, absolute values second.</summary>
internal static class Cells
{
    public static IReadOnlyList<string> Headings { get; } =
        ["variant", "regime", "p50 ratio", "p99 ratio", "CPU ratio", "bytes", "p50", "p99", "CPU, ns", "target"];

    public static IReadOnlyList<string> Of(Row row) =>
    [
        row.Variant,
        row.Regime,
        Ratio(row.RatioP50),
        Ratio(row.RatioP99),
        Ratio(row.RatioCpu),
        Number(row.BytesPerEvent),
        Unit(row.Measured.P50, row.Unit),
        Unit(row.Measured.P99, row.Unit),
        Number(row.Measured.CpuNs),
        row.Targets.Count == 0 ? "–" : string.Join("; ", row.Targets.Select(t => $"{t.What} {(t.Met ? "met" : "NOT met")}")),
    ];

    private static string Ratio(double? value) => value?.ToString("0.00", CultureInfo.InvariantCulture) ?? "–";

    private static string Unit(double? value, string unit) => value is null ? "–" : $"{Number(value)} {unit}";

    private static string Number(double? value) => value switch
    {
        null => "–",
        0 => "0",
        >= 100 or <= -100 => value.Value.ToString("N0", CultureInfo.InvariantCulture),
        >= 10 or <= -10 => value.Value.ToString("0.0", CultureInfo.InvariantCulture),
        _ => value.Value.ToString("0.00##", CultureInfo.InvariantCulture)[..4],
    };
}
