using Akka.Actor;
using Spectre.Console;

namespace Riser.Host.Reporting;

/// <summary>Shows a run while it runs.</summary>
internal interface IDisplay : IDisposable
{
    /// <summary>Shows what <paramref name="look"/> sees until <paramref name="over"/>, or until <paramref name="begun"/> says that a device has failed.</summary>
    Task ShowAsync(Func<Task<Snapshot>> look, Task<string?[]> begun, CancellationToken over);

    /// <summary>Shows how it ended.</summary>
    Task EndAsync(Snapshot end);
}

/// <summary>Chooses between a live table and lines.</summary>
internal static class Display
{
    /// <param name="output">Where to.</param>
    /// <param name="isRedirected">False: it is a terminal.</param>
    public static IDisplay For(TextWriter output, bool isRedirected)
    {
        if (isRedirected)
            return new LineDisplay(output);
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        return console.Profile.Capabilities.Ansi ? new TableDisplay(console) : new LineDisplay(output);
    }

    /// <summary>Looks in this interval until it is over or a device has failed. A look that is not answered in time, as on a busy machine, is left out.</summary>
    public static async Task RepeatAsync(TimeSpan interval, Func<Task<Snapshot>> look, Func<Snapshot, Task> show, Task<string?[]> begun, CancellationToken over)
    {
        using var timer = new PeriodicTimer(interval);
        try
        {
            while (!begun.IsCompletedSuccessfully || Array.TrueForAll(await begun, f => f is null))
            {
                await timer.WaitForNextTickAsync(over);
                await TryAsync(look, show, over);
            }
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // it is over
        }
    }

    private static async Task TryAsync(Func<Task<Snapshot>> look, Func<Snapshot, Task> show, CancellationToken over)
    {
        try
        {
            await show(await look().WaitAsync(over));
        }
        catch (AskTimeoutException)
        {
            // the next may be answered
        }
    }
}
