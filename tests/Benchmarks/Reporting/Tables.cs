using Spectre.Console;

namespace Riser.Benchmarks.Reporting;

/// <summary>The report on a terminal.</summary>
internal static class Tables
{
    public static void Write(IAnsiConsole console, IReadOnlyList<IBenchmark> benchmarks, IReadOnlyList<Row> rows, Machine machine)
    {
        // Elsewhere than on a terminal a line is as long as it has to be.
        if (Console.IsOutputRedirected)
            console.Profile.Width = 240;
        foreach (var benchmark in benchmarks)
        {
            var table = new Table().Title($"{benchmark.Name}: {benchmark.What}".EscapeMarkup());
            table.AddColumns([.. Cells.Headings.Select(h => new TableColumn(h))]);
            foreach (var row in rows.Where(r => r.Benchmark == benchmark.Name))
                table.AddRow([.. Cells.Of(row).Select(c => c.EscapeMarkup())]);
            console.Write(table);
        }

        console.WriteLine(machine.ToString());
    }
}
