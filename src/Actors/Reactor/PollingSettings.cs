using Akka.Configuration;

namespace Riser.Actors.Reactor;

/// <summary>The section <c>riser.reactor.polling</c>.</summary>
/// <param name="Longest">How long a loop may look before it sleeps; zero: never.</param>
/// <param name="CpuShare">The most of one processor that looking may take, above 0 up to 1.</param>
internal sealed record PollingSettings(TimeSpan Longest, double CpuShare)
{
    // About what it costs to fall asleep and be woken: looking for so long never costs more than twice the better of looking and sleeping.
    private static readonly TimeSpan s_wakeUp = TimeSpan.FromMicroseconds(50);
    private static readonly TimeSpan s_most = TimeSpan.FromSeconds(1);

    /// <summary>Every loop sleeps at once.</summary>
    public static PollingSettings Off { get; } = new(TimeSpan.Zero, 1);

    /// <param name="section">The section.</param>
    /// <param name="threads">How many threads may poll.</param>
    /// <param name="processors">How many processors there are for everything.</param>
    /// <exception cref="ConfigurationException">A key has a value that it cannot have; the message names it.</exception>
    public static PollingSettings From(Config section, int threads, int processors)
    {
        const string Path = "riser.reactor.polling";
        double share = section.Share(Path, "cpu-share");
        return section.GetString("longest") switch
        {
            "off" => Off,
            "auto" => processors > threads ? new(s_wakeUp, share) : Off, // somebody else must be able to run meanwhile
            _ when section.Time(Path, "longest") is var longest && longest <= s_most => new(longest, share),
            var text => throw new ConfigurationException($"{Path}.longest is '{text}'; it must be auto, off, or a duration of at most {s_most.TotalSeconds} s."),
        };
    }
}
