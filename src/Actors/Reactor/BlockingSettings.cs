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
        string id = section.GetString("id", "the dispatcher");
        int threads = section.GetInt("max-threads");
        return threads >= 1
            ? new(threads, Positive(section, id, "stall-after"), Positive(section, id, "idle-timeout"))
            : throw new ConfigurationException($"{id}.max-threads is {threads}. Set it to 1 or more.");
    }

    private static TimeSpan Positive(Config section, string id, string key)
    {
        var span = section.GetTimeSpan(key, TimeSpan.Zero, allowInfinite: false);
        return span > TimeSpan.Zero ? span : throw new ConfigurationException($"{id}.{key} is '{section.GetString(key)}'. Set it to a time above 0, such as 1s.");
    }
}
