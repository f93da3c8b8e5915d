using System.CommandLine;
using Akka.Actor;
using Riser.Actors.Backends;

namespace Riser.Host.Service;

/// <summary>From the command line to the exit status: errors become one line on standard error.</summary>
internal static class HostProcess
{
    public static async Task<int> RunAsync(RootCommand root, string[] args)
    {
        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
                await SayAsync(error.Message);
            await Console.Error.WriteLineAsync("Run 'riser --help' or 'riser <command> --help'.");
            return ExitStatus.Usage;
        }

        using var signals = new ShutdownSignals();
        try
        {
            var settings = new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null, // ShutdownSignals does it
            };
            return await parsed.InvokeAsync(settings, signals.Token);
        }
        catch (UsageException mistake)
        {
            await SayAsync(mistake.Message);
            return ExitStatus.Usage;
        }
        catch (Exception failure) when (failure is RunFailedException or PciException)
        {
            await SayAsync(failure.Message);
            return ExitStatus.Failure;
        }
        catch (AskTimeoutException late)
        {
            await SayAsync($"The devices' actors do not answer ({late.Message}): the machine is too busy, or a backend or the broker waits for something. Try again; 'akka.loglevel = DEBUG' says more.");
            return ExitStatus.Failure;
        }
    }

    private static Task SayAsync(string error) => Console.Error.WriteLineAsync($"riser: {error}");
}
