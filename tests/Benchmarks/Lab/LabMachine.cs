using System.Diagnostics;
using Riser.Benchmarks.Reporting;

namespace Riser.Benchmarks.Lab;

/// <summary>The lab's virtual machine (tests/Lab), as the suite uses it.</summary>
internal static class LabMachine
{
    private const string Kernel = "6.12";
    private const string Rows = "rows.json";

    /// <summary>This process runs in it.</summary>
    public static bool IsThis { get; } = Environment.GetEnvironmentVariable("RISER_LAB") == "1";

    private static string Checkout => Path.GetDirectoryName(Path.GetDirectoryName(Document.Find()))!;

    private static string Build => Path.Combine(Checkout, "artifacts", "kernel", Kernel);

    /// <summary>The module for the machine's kernel; made before it boots.</summary>
    public static string Module => Path.Combine(Build, "uio_pci_user.ko");

    /// <summary>The PCI function that the machine calls so, "EDU" for one.</summary>
    /// <exception cref="RefusalException">It has none.</exception>
    public static string Device(string name) =>
        Environment.GetEnvironmentVariable($"LAB_{name}") ?? throw new RefusalException($"The lab has no device {name}.");

    /// <summary>Boots the machine, runs benchmarks in it, and brings their rows back.</summary>
    /// <exception cref="RefusalException">It does not boot, or a benchmark refused.</exception>
    public static async Task<IReadOnlyList<Row>> RunAsync(IReadOnlyList<string> benchmarks, Scope scope)
    {
        scope.Progress($"lab: {string.Join(", ", benchmarks)}");
        await ExecuteAsync("make", ["-s", "-C", Checkout, $"module-lab-{Kernel}"]);
        Floor.CompileMeasure();
        var folder = Directory.CreateTempSubdirectory("riser-bench-");
        try
        {
            await ExecuteAsync(Path.Combine(Checkout, "tests", "Lab", "run"),
            [
                "--kernel", Kernel, "--memlock", "unlimited", "--timeout", "500", "--env", "DOTNET_TC_CallCountingDelayMS=0", "--out", folder.FullName, "--",
                "dotnet", Path.Combine(AppContext.BaseDirectory, "Riser.Benchmarks.dll"), "--json", $"/run/lab/out/{Rows}",
                .. scope.IsQuick ? ["--quick"] : Array.Empty<string>(),
                .. benchmarks.SelectMany(name => (string[])["--filter", name]),
            ]);
            return JsonReport.ReadRows(Path.Combine(folder.FullName, Rows));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // What it prints is told only if it fails.
    private static async Task ExecuteAsync(string program, IReadOnlyList<string> arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
            throw new RefusalException($"{Path.GetFileName(program)} {arguments[0]} ended with {process.ExitCode}:{Environment.NewLine}{await output}{await errors}");
    }
}
