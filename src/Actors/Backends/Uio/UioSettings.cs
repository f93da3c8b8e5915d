using Akka.Configuration;
using Riser.Actors.Backends.Broker;

namespace Riser.Actors.Backends.Uio;

/// <summary>The section <c>riser.backends.uio</c>, read once. The keys and their defaults are in reference.conf.</summary>
internal sealed record UioSettings(string Sysfs, string Nodes, string PlainNodes, int VectorsAhead, bool CheckMemlock, bool Uevents, TimeSpan PollInterval, BrokerSettings Broker)
{
    private const string Section = "riser.backends.uio";

    /// <exception cref="ConfigurationException">A key has a value that it cannot have; the message names it.</exception>
    public static UioSettings Read(Config config)
    {
        var defaults = ReferenceConfig.Default.GetConfig(Section);
        var section = config.IsNullOrEmpty() ? defaults : config.WithFallback(defaults);
        return new(
            section.Text(Section, "sysfs"),
            section.Text(Section, "nodes"),
            section.Text(Section, "plain-nodes"),
            section.Count(Section, "vectors-ahead", 0, 2048),
            section.Switch(Section, "check-memlock"),
            section.GetString("hot-plug.source") switch
            {
                "uevents" => true,
                "poll" => false,
                var other => throw new ConfigurationException($"{Section}.hot-plug.source is '{other}'; write uevents or poll."),
            },
            section.Interval(Section, "hot-plug.poll-interval"),
            BrokerSettings.Of(config));
    }
}
