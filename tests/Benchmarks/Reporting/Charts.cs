using System.Globalization;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace Riser.Benchmarks.Reporting;

/// <summary>
/// The ratios of a benchmark as bars: to the left of the floor's line is faster or cheaper than the floor. The scale is logarithmic, so that
/// half and double are equally far away.
/// </summary>
internal static class Charts
{
    private const int Width = 960;
    private const int Bar = 14; // pixels
    private const int Around = 90; // title and axis
    private const int Line = 22; // of the legend
    private const double Letter = 7.2; // what a letter takes at most on average, as browsers have other fonts than the exporter thinks

    private static readonly (string Name, string What, Func<Row, double?> Ratio)[] s_kinds =
    [
        ("p50", "median", r => r.RatioP50),
        ("cpu", "CPU time for each event", r => r.RatioCpu),
    ];

    /// <summary>Writes a chart for each kind of ratio that the rows have.</summary>
    /// <returns>What was written.</returns>
    public static IReadOnlyList<Chart> Write(string folder, IBenchmark benchmark, IReadOnlyList<Row> rows)
    {
        List<Chart> written = [];
        foreach (var (name, what, ratio) in s_kinds)
        {
            // A floor beside itself is the line.
            var shown = rows.Where(r => ratio(r) > 0 && r.Measured != r.Base).ToList();
            if (shown.Count == 0)
                continue;
            var chart = new Chart($"{benchmark.Name}-{name}.svg", $"{benchmark.Name}: {what}, as a ratio to {shown[0].Floor}");
            File.WriteAllText(Path.Combine(folder, chart.File), Draw(chart.Title, shown, ratio));
            written.Add(chart);
        }

        return written;
    }

    private static string Draw(string title, List<Row> rows, Func<Row, double?> ratio)
    {
        List<string> variants = [.. rows.Select(r => r.Variant).Distinct().Reverse()]; // the axis begins at the bottom
        List<string> regimes = [.. rows.Select(r => r.Regime).Distinct().Reverse()];
        var model = new PlotModel
        {
            Title = title,
            TitleFontSize = 14,
            Background = OxyColors.White,
            DefaultFont = "sans-serif",
            PlotMargins = new(variants.Max(v => v.Length) * Letter, double.NaN, double.NaN, double.NaN),
        };
        var categories = new CategoryAxis { Position = AxisPosition.Left, GapWidth = 0.4 };
        categories.Labels.AddRange(variants);
        model.Axes.Add(categories);
        model.Axes.Add(new LogarithmicAxis
        {
            Position = AxisPosition.Bottom,
            Base = 2,
            Minimum = Math.Min(0.5, rows.Min(r => ratio(r)!.Value) * 0.8),
            Maximum = Math.Max(2, rows.Max(r => ratio(r)!.Value) * 1.6),
            MajorGridlineStyle = LineStyle.Solid,
            MajorGridlineColor = OxyColors.LightGray,
            LabelFormatter = value => value.ToString("0.###", CultureInfo.InvariantCulture),
        });
        model.Legends.Add(new Legend { LegendPlacement = LegendPlacement.Outside, LegendPosition = LegendPosition.BottomCenter, LegendOrientation = LegendOrientation.Vertical, LegendLineSpacing = 6 });
        foreach (string regime in regimes)
        {
            string room = new('\u00a0', 2 + regime.Length); // the exporter cuts off what is longer than it thinks
            var bars = new BarSeries { Title = regime + room, BaseValue = 1, LabelFormatString = "{0:0.00}", LabelPlacement = LabelPlacement.Outside, FontSize = 9 };
            foreach (var row in rows.Where(r => r.Regime == regime)) // no bar where nothing was measured
                bars.Items.Add(new BarItem(ratio(row)!.Value, variants.IndexOf(row.Variant)));
            model.Series.Add(bars);
        }

        int height = Around + (regimes.Count * Line) + (variants.Count * regimes.Count * Bar) + (variants.Count * Bar / 2);
        return new SvgExporter { Width = Width, Height = height, UseVerticalTextAlignmentWorkaround = true }.ExportToString(model);
    }

    /// <summary>One picture.</summary>
    /// <param name="File">In the folder of charts.</param>
    /// <param name="Title">What it shows.</param>
    internal sealed record Chart(string File, string Title);
}
