using System.CommandLine;
using Riser.Host.Service;

namespace Riser.Host.Commands;

/// <summary><c>riser config</c>: every key and its value.</summary>
internal static class ConfigCommand
{
    public static Command Create()
    {
        var config = SharedOptions.Config();
        var command = new Command("config", "Prints the configuration with every default.") { config };
        command.SetAction((parsed, _) => RunAsync(parsed.GetValue(config)));
        return command;
    }

    private static async Task<int> RunAsync(FileInfo? config)
    {
        await using (await Node.StartAsync(config)) // refuses what makes no sense
            await Console.Out.WriteLineAsync($"riser {{{Environment.NewLine}  {HostConfig.Effective(config).GetConfig("riser").Root.ToString()!.Trim()}{Environment.NewLine}}}");
        return ExitStatus.Success;
    }
}
