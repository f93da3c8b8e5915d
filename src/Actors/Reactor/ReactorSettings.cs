using Akka.Configuration;

namespace Riser.Actors.Reactor;

/// <summary>The section <c>riser.reactor</c>.</summary>
/// <param name="Threads">Epoll threads, 1 or more.</param>
/// <param name="EventsPerTurn">Ready descriptors taken before mailboxes get their turn.</param>
/// <param name="MailboxesPerTurn">Mailboxes run before descriptors get theirs.</param>
internal sealed record ReactorSettings(int Threads, int EventsPerTurn, int MailboxesPerTurn)
{
    /// <exception cref="ConfigurationException">A key has a value that it cannot have; the message names it.</exception>
    public static ReactorSettings From(Config section) => new(
        section.GetString("threads") == "auto" ? Math.Max(1, Environment.ProcessorCount / 4) : Positive(section, "threads", 1024),
        Positive(section, "events-per-turn", 65536),
        Positive(section, "mailboxes-per-turn", int.MaxValue));

    private static int Positive(Config section, string key, int most)
    {
        string text = section.GetString(key);
        return int.TryParse(text, out int value) && value >= 1 && value <= most
            ? value
            : throw new ConfigurationException($"riser.reactor.{key} is '{text}'. Set it to a whole number from 1 to {most}{(key == "threads" ? ", or to auto" : "")}.");
    }
}
