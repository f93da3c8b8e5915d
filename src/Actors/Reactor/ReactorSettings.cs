using System.Globalization;
using Akka.Configuration;
using Riser.Actors.Interop;

namespace Riser.Actors.Reactor;

/// <summary>The section <c>riser.reactor</c>.</summary>
/// <param name="Threads">Epoll threads, 1 or more.</param>
/// <param name="EventsPerTurn">Ready descriptors taken before mailboxes get their turn.</param>
/// <param name="MailboxesPerTurn">Mailboxes run before descriptors get theirs.</param>
/// <param name="Polling">Whether a thread looks again before it sleeps.</param>
/// <param name="Processors">What the threads are bound to, each to one, in turn; empty: they run anywhere.</param>
internal sealed record ReactorSettings(int Threads, int EventsPerTurn, int MailboxesPerTurn, PollingSettings Polling, IReadOnlyList<int> Processors)
{
    private const string Path = "riser.reactor";

    /// <exception cref="ConfigurationException">A key has a value that it cannot have; the message names it.</exception>
    public static ReactorSettings From(Config section)
    {
        int threads = section.GetString("threads") == "auto" ? Math.Max(1, Environment.ProcessorCount / 4) : Positive(section, "threads", 1024);
        return new(
            threads,
            Positive(section, "events-per-turn", 65536),
            Positive(section, "mailboxes-per-turn", int.MaxValue),
            PollingSettings.From(section.GetConfig("polling"), threads, Environment.ProcessorCount),
            ProcessorsOf(section.Text(Path, "processors"), Affinity.OfProcess()));
    }

    /// <summary>The processor of thread <paramref name="thread"/>, or null for any.</summary>
    public int? ProcessorOf(int thread) => Processors.Count == 0 ? null : Processors[thread % Processors.Count];

    private static List<int> ProcessorsOf(string text, IReadOnlyList<int> allowed)
    {
        if (text == "any")
            return [];
        List<int> chosen = [];
        foreach (string part in text.Split(','))
        {
            string[] ends = part.Split('-');
            if (ends.Length > 2 || !int.TryParse(ends[0], NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out int first)
                || !int.TryParse(ends[^1], NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out int last) || last < first || last - first >= 8192)
                throw new ConfigurationException($"{Path}.processors is '{text}'. Set it to any, or to a list such as 0,2-5.");
            chosen.AddRange(Enumerable.Range(first, last - first + 1));
        }

        if (chosen.Except(allowed).Take(1).ToList() is [var missing])
            throw new ConfigurationException($"{Path}.processors is '{text}', but this process may not run on processor {missing}. It may run on {string.Join(",", allowed)}.");
        return chosen;
    }

    private static int Positive(Config section, string key, int most)
    {
        string text = section.GetString(key);
        return int.TryParse(text, out int value) && value >= 1 && value <= most
            ? value
            : throw new ConfigurationException($"{Path}.{key} is '{text}'. Set it to a whole number from 1 to {most}{(key == "threads" ? ", or to auto" : "")}.");
    }
}
