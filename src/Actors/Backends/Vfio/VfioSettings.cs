using Akka.Configuration;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Hardware;

namespace Riser.Actors.Backends.Vfio;

/// <summary>The section <c>riser.backends.vfio</c>, read once. The keys and their defaults are in reference.conf.</summary>
internal sealed record VfioSettings(string Sysfs, string Nodes, int VectorsAhead, bool ResetAtClose, bool CheckMemlock, HotPlugSettings HotPlug, BrokerSettings Broker)
{
    private const string Section = "riser.backends.vfio";

    /// <exception cref="ConfigurationException">A key has a value that it cannot have; the message names it.</exception>
    public static VfioSettings Read(Config config)
    {
        var defaults = ReferenceConfig.Default.GetConfig(Section);
        var section = config.IsNullOrEmpty() ? defaults : config.WithFallback(defaults);
        return new(
            section.Text(Section, "sysfs"),
            section.Text(Section, "nodes"),
            section.Count(Section, "vectors-ahead", 0, 2048),
            section.Switch(Section, "reset-at-close"),
            section.Switch(Section, "check-memlock"),
            HotPlugSettings.Read(section, Section),
            BrokerSettings.Of(config));
    }
}
