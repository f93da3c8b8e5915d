namespace Riser.Benchmarks.Reporting;

/// <summary>
/// docs/performance.md: what stands between the markers of a benchmark is written by the run, all else by hand. Its charts stand in the folder
/// charts beside it.
/// </summary>
internal static class Document
{
    /// <summary>The document of the checkout that this was built from.</summary>
    /// <exception cref="RefusalException">It is not there.</exception>
    public static string Find()
    {
        for (string? folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            string document = Path.Combine(folder, "docs", "performance.md");
            if (File.Exists(document))
                return document;
        }

        throw new RefusalException($"There is no docs/performance.md above {AppContext.BaseDirectory}.");
    }

    /// <summary>Rewrites the tables of the benchmarks that have run.</summary>
    public static void Rewrite(string path, IReadOnlyList<IBenchmark> benchmarks, IReadOnlyList<Row> rows, Machine machine)
    {
        string text = File.ReadAllText(path);
        string folder = Directory.CreateDirectory(Path.Combine(Path.GetDirectoryName(path)!, "charts")).FullName;
        foreach (var benchmark in benchmarks)
        {
            var own = rows.Where(r => r.Benchmark == benchmark.Name).ToList();
            string charts = string.Concat(Charts.Write(folder, benchmark, own).Select(c => $"![{c.Title}](charts/{c.File})\n"));
            text = Replace(text, benchmark.Name, $"{Table(own)}\n{charts}{(charts.Length > 0 ? "\n" : "")}{machine}.\n");
        }

        File.WriteAllText(path, text);
    }

    private static string Table(IEnumerable<Row> rows) =>
        $"{Line(Cells.Headings)}{Line(Cells.Headings.Select(_ => "---"))}{string.Concat(rows.Select(r => Line(Cells.Of(r))))}";

    private static string Line(IEnumerable<string> cells) => $"| {string.Join(" | ", cells)} |\n";

    private static string Replace(string text, string name, string table)
    {
        string begin = $"<!-- bench: {name} -->\n";
        string end = $"<!-- end: {name} -->";
        int from = text.IndexOf(begin, StringComparison.Ordinal);
        int to = text.IndexOf(end, StringComparison.Ordinal);
        if (from < 0 || to < from)
            throw new RefusalException($"docs/performance.md has no place for '{name}': a line '{begin.TrimEnd()}' and a line '{end}'.");
        return $"{text[..(from + begin.Length)]}\n{table}\n{text[to..]}";
    }
}
