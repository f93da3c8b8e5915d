using System.Text.Json;

namespace Riser.Benchmarks.Reporting;

/// <summary>The report for programs.</summary>
internal static class JsonReport
{
    private static readonly JsonSerializerOptions s_options = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public static void Write(FileInfo file, IReadOnlyList<Row> rows, Machine machine) =>
        File.WriteAllText(file.FullName, JsonSerializer.Serialize(new { machine, rows }, s_options) + "\n");

    /// <summary>The rows of such a report.</summary>
    public static IReadOnlyList<Row> ReadRows(string path)
    {
        using var report = JsonDocument.Parse(File.ReadAllText(path));
        return report.RootElement.GetProperty("rows").Deserialize<Row[]>(s_options)!;
    }
}
