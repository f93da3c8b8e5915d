using Akka.Configuration;

namespace Riser.Actors.Backends.Hardware;

/// <summary>The keys <c>hot-plug</c> of a backend's section: how it learns that devices come and go.</summary>
/// <param name="Uevents">From the kernel's own events; else by looking again and again.</param>
/// <param name="PollInterval">The time between two looks.</param>
internal sealed record HotPlugSettings(bool Uevents, TimeSpan PollInterval)
{
    /// <param name="section">The backend's.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <exception cref="ConfigurationException">A key has a value that it cannot have; the message names it.</exception>
    public static HotPlugSettings Read(Config section, string name) => new(
        section.GetString("hot-plug.source") switch
        {
            "uevents" => true,
            "poll" => false,
            var other => throw new ConfigurationException($"{name}.hot-plug.source is '{other}'; write uevents or poll."),
        },
        section.Interval(name, "hot-plug.poll-interval"));
}
