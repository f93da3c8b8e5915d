using Akka.Configuration;

namespace Riser.Actors.Reactor;

/// <summary>What <see cref="BlockingExecutor"/> reads of its dispatcher's section.</summary>
/// <param name="MaxThreads">How many threads may be busy at once, those that stall not counted.</param>
/// <param name="StallAfter">A work item that runs longer than this stalls.</param>
/// <param name="IdleTimeout">A thread that was not needed for this long ends.</param>
internal sealed record BlockingSettings(int MaxThreads, TimeSpan StallAfter, TimeSpan IdleTimeout)
{
    /// <exception cref="ConfigurationException">A key has a value that it cannot have; the message names it.</exception>
    public static BlockingSettings From(Config section)
    {
        string id = section.GetString("id", "riser.session-dispatcher");
        return new(section.Count(id, "max-threads", 1, 32767), Positive(section, id, "stall-after"), Positive(section, id, "idle-timeout"));
    }

    private static TimeSpan Positive(Config section, string id, string key) => section.Time(id, key) is { Ticks: > 0 } span
        ? span
        : throw new ConfigurationException($"{id}.{key} is '{section.GetString(key)}'; it must be a time above 0, such as 1s.");
}
