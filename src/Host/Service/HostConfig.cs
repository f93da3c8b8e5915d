using Akka.Configuration;
using Akka.Configuration.Hocon;
using Riser.Actors;
using Riser.Host.Broker;

namespace Riser.Host.Service;

/// <summary>What the node is configured by: a file or the embedded ponies, over what the host itself needs.</summary>
internal static class HostConfig
{
    private static readonly string[] s_sections = ["riser", "akka"];

    /// <param name="file">Null: the embedded default.</param>
    /// <exception cref="UsageException">The file cannot be read or understood; the message names it.</exception>
    public static Config Load(FileInfo? file)
    {
        var own = file is null ? Embedded("simulation.conf") : Read(file);
        return own.WithFallback(Embedded("host.conf"));
    }

    /// <summary>The configuration with every default.</summary>
    public static Config Effective(FileInfo? file) => Load(file).WithFallback(DeviceRuntime.DefaultConfig);

    /// <summary>What <c>riser broker</c> is configured by.</summary>
    /// <param name="file">Null: the embedded default, which gives nothing away.</param>
    /// <exception cref="UsageException">The file cannot be read or understood, or names something that is not there; the message says what.</exception>
    public static BrokerConfig ReadBroker(FileInfo? file)
    {
        const string compare = "Compare it with config/hocon/broker.conf.";
        var own = file is null ? Config.Empty : Parse(file, ReadText(file), compare);
        foreach (string section in own.IsEmpty ? [] : own.Root.GetObject().Items.Keys.Where(k => k != "broker"))
            throw new UsageException($"'{section}' in the configuration '{file}' is not a section that the broker knows.", "Its one section is: broker.");
        if (!own.IsEmpty && Misshapen(own.Root.GetObject(), BrokerConfig.Default.Root.GetObject(), string.Empty) is { } key)
            throw new UsageException($"'{key}' in the configuration '{file}' is a value where a section belongs, or the other way round.", compare);
        try
        {
            return BrokerConfig.Read(own);
        }
        catch (Exception problem) when (problem is ConfigurationException or FormatException)
        {
            throw new UsageException($"The configuration '{file}' makes no sense: {problem.Message}", compare);
        }
    }

    private static Config Read(FileInfo file)
    {
        var config = Parse(file, ReadText(file), "Compare it with config/hocon/reference.conf.");
        foreach (string section in config.IsEmpty ? [] : config.Root.GetObject().Items.Keys.Except(s_sections, StringComparer.Ordinal))
            throw new UsageException($"'{section}' in the configuration '{file}' is not a section that Riser knows.", $"Sections are: {string.Join(", ", s_sections)}.");
        if (!config.IsEmpty && Misshapen(config.Root.GetObject(), DeviceRuntime.DefaultConfig.Root.GetObject(), string.Empty) is { } key)
            throw new UsageException($"'{key}' in the configuration '{file}' is a value where a section belongs, or the other way round.", "Compare it with config/hocon/reference.conf.");
        return config;
    }

    private static string ReadText(FileInfo file)
    {
        try
        {
            return File.ReadAllText(file.FullName);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            string why = problem is FileNotFoundException or DirectoryNotFoundException ? "there is no such file" : problem.Message;
            throw new UsageException($"The configuration '{file}' cannot be read: {why}.", "Name a readable HOCON file, or leave --config out for the default.");
        }
    }

    // Asked here because Akka.NET falls over such a key when it lays one configuration over another.
    private static string? Misshapen(HoconObject own, HoconObject reference, string path)
    {
        foreach (var (key, value) in own.Items)
        {
            if (!reference.Items.TryGetValue(key, out var known))
                continue;
            if (value.IsObject() != known.IsObject())
                return path + key;
            if (value.IsObject() && Misshapen(value.GetObject(), known.GetObject(), $"{path}{key}.") is { } deeper)
                return deeper;
        }
        return null;
    }

    private static Config Parse(FileInfo file, string text, string compare)
    {
        if (HoconBrackets.Check(text) is { } unbalanced)
            throw new UsageException($"The configuration '{file}' is not HOCON: {unbalanced}.", compare);
        try
        {
            return string.IsNullOrWhiteSpace(text) ? Config.Empty : ConfigurationFactory.ParseString(text);
        }
        catch (Exception problem) // the parser throws whatever its own mistakes lead to
        {
            throw new UsageException($"The configuration '{file}' is not HOCON: {problem.Message.TrimEnd('.')}.", compare);
        }
    }

    internal static Config Embedded(string name)
    {
        using var stream = typeof(HostConfig).Assembly.GetManifestResourceStream($"Riser.Host.{name}")
            ?? throw new InvalidOperationException($"The assembly lacks its embedded {name}.");
        using var reader = new StreamReader(stream);
        return ConfigurationFactory.ParseString(reader.ReadToEnd());
    }
}
