using System.Diagnostics;

namespace Riser.Benchmarks;

/// <summary>
/// What is measured must have been compiled in full. The runtime compiles a method anew once it has been called often and nothing else was
/// compiled for 100 ms, first with counters in it and then without: a load must have gone on for a time, not for a number of events.
/// What is measured before that costs three to five times as much.
/// </summary>
internal static class Warmth
{
    /// <summary>Long enough on a machine that runs its own instructions.</summary>
    public static TimeSpan Usual { get; } = TimeSpan.FromSeconds(4);

    /// <summary>Repeats a load until this time is over.</summary>
    public static async Task ReachAsync(TimeSpan time, Func<Task> load)
    {
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < time;)
            await load();
    }
}
