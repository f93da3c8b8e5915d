using System.CommandLine;
using Riser.Host.Reporting;
using Riser.Host.Service;

namespace Riser.Host.Commands;

/// <summary><c>riser run</c>: opens devices, loads or watches them, and reports.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var config = SharedOptions.Config();
        var devices = SharedOptions.Devices();
        var duration = SharedOptions.For();
        Option<bool> exercise = new("--exercise")
        {
            Description = "Load every vector through the backend's own trigger, and move DMA where the device has an engine.",
        };
        Option<string?> report = new("--report")
        {
            Description = "Write a JSON report at the end, to a file or, with '-', to standard output.",
            HelpName = "FILE|-",
        };
        var command = new Command("run", "Opens devices, turns their interrupts into messages, and shows what happens.") { config, devices, exercise, duration, report };
        command.SetAction((parsed, cancellation) => RunAsync(
            parsed.GetValue(config),
            new RunOptions(parsed.GetValue(devices) ?? [], parsed.GetValue(exercise), parsed.GetValue(duration)),
            parsed.GetValue(report),
            cancellation));
        return command;
    }

    private static async Task<int> RunAsync(FileInfo? config, RunOptions options, string? report, CancellationToken cancellation)
    {
        await using var target = ReportTarget.Open(report);
        await using var node = await Node.StartAsync(config);
        using var display = Display.For(target.TakesStandardOutput ? Console.Error : Console.Out, target.TakesStandardOutput ? Console.IsErrorRedirected : Console.IsOutputRedirected);
        var result = await new Run(node, options, display).ExecuteAsync(cancellation);
        await target.WriteAsync(result);
        foreach (string problem in result.Problems)
            await Console.Error.WriteLineAsync($"riser: {problem}");
        return result.Problems.Count == 0 ? ExitStatus.Success : ExitStatus.Failure;
    }
}
