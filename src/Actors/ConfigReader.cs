using System.Globalization;
using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace Riser.Actors;

/// <summary>Reads HOCON and says what is wrong in words: the key, its value, and what it should be.</summary>
internal static class ConfigReader
{
    /// <summary>A duration that is not negative, such as 50us, 500ms, 10s or 1m.</summary>
    /// <exception cref="ConfigurationException">It is not there, or is no duration.</exception>
    public static TimeSpan Time(this Config config, string section, string key)
    {
        // Akka.NET 1.4 knows nothing shorter than a millisecond.
        if (config.GetString(key) is { } text && text.EndsWith("us", StringComparison.Ordinal) && double.TryParse(text[..^2], NumberStyles.AllowDecimalPoint | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out double microseconds))
            return TimeSpan.FromMicroseconds(microseconds);
        try
        {
            var time = config.GetTimeSpan(key, @default: null, allowInfinite: false);
            if (time >= TimeSpan.Zero)
                return time;
        }
        catch (Exception problem) when (problem is FormatException or OverflowException or ArgumentException)
        {
            throw Wrong(config, section, key, "a duration: a number with us, ms, s, m or h", problem);
        }
        throw Wrong(config, section, key, "a duration of 0 or more");
    }

    /// <summary>A whole number within limits.</summary>
    /// <exception cref="ConfigurationException">It is not there, or is not such a number.</exception>
    public static int Count(this Config config, string section, string key, int least, int most)
    {
        if (int.TryParse(config.GetString(key), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most)
            return number;
        throw Wrong(config, section, key, $"a whole number from {least} to {most}");
    }

    /// <summary>A part of a whole: above 0, at most 1.</summary>
    /// <exception cref="ConfigurationException">It is not there, or is not such a number.</exception>
    public static double Share(this Config config, string section, string key)
    {
        if (double.TryParse(config.GetString(key), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double share) && share is > 0 and <= 1)
            return share;
        throw Wrong(config, section, key, "a number above 0, at most 1");
    }

    /// <summary>A part of a whole, which may be nothing: 0 to 1.</summary>
    /// <exception cref="ConfigurationException">It is not there, or is not such a number.</exception>
    public static double ShareOrNone(this Config config, string section, string key)
    {
        if (double.TryParse(config.GetString(key), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double share) && share is >= 0 and <= 1)
            return share;
        throw Wrong(config, section, key, "a number from 0 to 1");
    }

    /// <summary>A duration above 0 that poll(2) can wait for.</summary>
    /// <exception cref="ConfigurationException">It is not there, or is no such duration.</exception>
    public static TimeSpan Interval(this Config config, string section, string key) =>
        config.Time(section, key) is { Ticks: > 0, TotalMilliseconds: <= int.MaxValue } interval ? interval : throw Wrong(config, section, key, "more than 0 and at most 24 days");

    /// <summary>A switch: on or off, in any of HOCON's words.</summary>
    /// <exception cref="ConfigurationException">It is not there, or is no switch.</exception>
    public static bool Switch(this Config config, string section, string key) => config.GetString(key) switch
    {
        "on" or "true" or "yes" => true,
        "off" or "false" or "no" => false,
        _ => throw Wrong(config, section, key, "on or off"),
    };

    /// <summary>A text that is not empty.</summary>
    /// <exception cref="ConfigurationException">It is not there, or is empty.</exception>
    public static string Text(this Config config, string section, string key) =>
        config.GetString(key) is { Length: > 0 } text ? text : throw Wrong(config, section, key, "a text that is not empty");

    /// <summary>Refuses keys of <paramref name="actual"/> that <paramref name="reference"/> does not have.</summary>
    /// <param name="actual">What a user wrote, laid over the reference.</param>
    /// <param name="reference">Every key there is.</param>
    /// <param name="path">Where in the whole configuration the two begin.</param>
    /// <param name="free">Paths below which a key that the reference does not have is a name that the user chose.</param>
    /// <exception cref="ConfigurationException">A key is unknown; the message names it and its neighbours.</exception>
    public static void RefuseUnknownKeys(HoconObject actual, HoconObject reference, string path, IReadOnlySet<string> free)
    {
        foreach (var (key, value) in actual.Items)
        {
            string full = $"{path}.{key}";
            bool isKnown = reference.Items.TryGetValue(key, out var known);
            if (!isKnown && free.Contains(path) && value.IsObject())
                continue;
            if (!isKnown)
            {
                string keys = reference.Items.Count == 0 ? "" : $" Keys of '{path}' are: {string.Join(", ", reference.Items.Keys.Order(StringComparer.Ordinal))}.";
                throw new ConfigurationException($"'{full}' is not a key of Riser.{keys}{(free.Contains(path) ? " A name of your own is a section: write { }." : "")}");
            }
            if (value.IsObject() != known!.IsObject())
                throw new ConfigurationException($"'{full}' must be {(known.IsObject() ? "a section: write { }" : "a value, not a section")}.");
            if (known.IsObject())
                RefuseUnknownKeys(value.GetObject(), known.GetObject(), full, free);
        }
    }

    private static ConfigurationException Wrong(Config config, string section, string key, string expected, Exception? inner = null) =>
        new($"{section}.{key} is '{config.GetString(key)}'; it must be {expected}.", inner);
}
