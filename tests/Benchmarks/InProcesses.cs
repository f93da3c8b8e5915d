using System.Diagnostics;
using Riser.Benchmarks.Reporting;

namespace Riser.Benchmarks;

/// <summary>Starts the suite once more for each part: what a part leaves behind, on the heap and in the kernel, is not seen by the next.</summary>
internal sealed class InProcesses(IPartedBenchmark inside) : IBenchmark
{
    /// <summary>The option of the suite that names the part.</summary>
    public const string Option = "--part";

    public string Name => inside.Name;

    public string What => inside.What;

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        if (scope.Part is { } part)
            return await inside.RunAsync(part, scope);
        List<Row> rows = [];
        for (int i = 0; i < inside.Parts; i++)
            rows.AddRange(await RunApartAsync(i, scope));
        return rows;
    }

    private async Task<IReadOnlyList<Row>> RunApartAsync(int part, Scope scope)
    {
        string report = Path.GetTempFileName();
        try
        {
            using var process = Process.Start(new ProcessStartInfo(
                "dotnet",
                [Path.Combine(AppContext.BaseDirectory, "Riser.Benchmarks.dll"), "--filter", Name, Option, $"{part}", "--json", report, .. scope.IsQuick ? ["--quick"] : Array.Empty<string>()])
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var output = process.StandardOutput.ReadToEndAsync();
            process.ErrorDataReceived += (_, said) =>
            {
                if (said.Data is { } line)
                    scope.Progress(line);
            };
            process.BeginErrorReadLine();
            await process.WaitForExitAsync();
            await output;
            return process.ExitCode == 0 ? JsonReport.ReadRows(report) : throw new RefusalException($"Part {part} of {Name} ended with {process.ExitCode}.");
        }
        finally
        {
            File.Delete(report);
        }
    }
}
