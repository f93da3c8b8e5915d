using System.Diagnostics;

namespace Riser.Benchmarks.Specs;

/// <summary>The suite as its users start it.</summary>
internal sealed record SuiteProcess(int Status, string Output, string Errors)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    public static async Task<SuiteProcess> RunAsync(IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        string suite = Path.Combine(AppContext.BaseDirectory, "Riser.Benchmarks.dll");
        var start = new ProcessStartInfo(Environment.ProcessPath!, [suite, .. arguments]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (key, value) in environment)
            start.Environment[key] = value;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            await process.WaitForExitAsync().WaitAsync(s_patience);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        return new(process.ExitCode, await output, await errors);
    }
}
