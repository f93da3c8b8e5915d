using Akka.Actor;
using Akka.Configuration;

namespace Riser.Actors;

/// <summary>reference.conf, as it is embedded: every key and its default.</summary>
internal static class ReferenceConfig
{
    /// <summary>The same object each time, so that Akka.NET sees that it has it already.</summary>
    public static Config Default { get; } = Read();

    /// <summary>Puts the defaults under the system's own configuration; again is nothing.</summary>
    public static void AddTo(ActorSystem system) => system.Settings.InjectTopLevelFallback(Default);

    private static Config Read()
    {
        using var stream = typeof(ReferenceConfig).Assembly.GetManifestResourceStream("Riser.Actors.reference.conf")
            ?? throw new InvalidOperationException("The assembly lacks its embedded reference.conf.");
        using var reader = new StreamReader(stream);
        return ConfigurationFactory.ParseString(reader.ReadToEnd());
    }
}
