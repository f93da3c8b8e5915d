using Akka.Configuration;

namespace Riser.Actors.Backends.Uio;

/// <summary>The section <c>riser.backends.uio</c>, read once. The keys and their defaults are in reference.conf.</summary>
internal sealed record UioSettings(string Sysfs, string Nodes, string PlainNodes, int VectorsAhead, bool CheckMemlock, bool Uevents, TimeSpan PollInterval)
{
    public static UioSettings Read(Config config)
    {
        var defaults = ConfigurationFactory.FromResource<UioSettings>("Riser.Actors.reference.conf").GetConfig("riser.backends.uio");
        var section = config.IsNullOrEmpty() ? defaults : config.WithFallback(defaults);
        return new(
            section.GetString("sysfs"),
            section.GetString("nodes"),
            section.GetString("plain-nodes"),
            section.Count("riser.backends.uio", "vectors-ahead", 0, 2048),
            section.GetBoolean("check-memlock"),
            section.GetString("hot-plug.source") switch
            {
                "uevents" => true,
                "poll" => false,
                var other => throw new ConfigurationException($"riser.backends.uio.hot-plug.source is '{other}'; write uevents or poll."),
            },
            section.Time("riser.backends.uio", "hot-plug.poll-interval"));
    }
}
