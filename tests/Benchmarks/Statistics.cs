namespace Riser.Benchmarks;

/// <summary>Order statistics.</summary>
internal static class Statistics
{
    public static double Median(IEnumerable<double> values) => Percentile([.. values.Order()], 0.5);

    /// <summary>The value that this share of a sorted sample does not exceed (nearest rank).</summary>
    public static T Percentile<T>(T[] sorted, double share) => sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];

    public static (double P50, double P99) Percentiles(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (Percentile(sorted, 0.5), Percentile(sorted, 0.99));
    }
}
