using Akka.Configuration;

namespace Riser.Actors.Backends.Vfio;

/// <summary>The section <c>riser.backends.vfio</c>, read once. The keys and their defaults are in reference.conf.</summary>
internal sealed record VfioSettings(string Sysfs, string Nodes, int VectorsAhead, bool ResetAtClose, bool CheckMemlock, bool Uevents, TimeSpan PollInterval)
{
    public static VfioSettings Read(Config config)
    {
        var defaults = ConfigurationFactory.FromResource<VfioSettings>("Riser.Actors.reference.conf").GetConfig("riser.backends.vfio");
        var section = config.IsNullOrEmpty() ? defaults : config.WithFallback(defaults);
        return new(
            section.GetString("sysfs"),
            section.GetString("nodes"),
            AtLeast(0, "vectors-ahead", section.GetInt("vectors-ahead")),
            section.GetBoolean("reset-at-close"),
            section.GetBoolean("check-memlock"),
            section.GetString("hot-plug.source") switch
            {
                "uevents" => true,
                "poll" => false,
                var other => throw new ConfigurationException($"riser.backends.vfio.hot-plug.source is '{other}'; write uevents or poll."),
            },
            section.GetTimeSpan("hot-plug.poll-interval", allowInfinite: false));
    }

    private static int AtLeast(int least, string key, int value) => value >= least
        ? value
        : throw new ConfigurationException($"riser.backends.vfio.{key} is {value}; it must be {least} or more.");
}
