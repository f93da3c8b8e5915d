using Akka.Configuration;

namespace Riser.Actors.Backends.Broker;

/// <summary>A backend that asks the broker where it may not open a node; it finds <c>riser.broker</c> in its own section, as <c>broker</c>.</summary>
internal interface IAsksBroker;

/// <summary>The section <c>riser.broker</c>, read once. The keys and their defaults are in reference.conf.</summary>
/// <param name="Socket">Where the broker listens; empty: none is asked.</param>
/// <param name="AnswerWithin">How long an answer may take.</param>
internal sealed record BrokerSettings(string Socket, TimeSpan AnswerWithin)
{
    /// <summary>The key under which a backend finds the section in its own.</summary>
    public const string Key = "broker";

    /// <summary>Whether there is something to ask. That it answers is not said.</summary>
    public bool IsThere => Socket.Length > 0 && File.Exists(Socket);

    /// <summary>What stands between a device whose node this user may not open and its being given by the broker; null: nothing.</summary>
    /// <param name="device">The device.</param>
    /// <param name="without">What stands in the way where there is no broker.</param>
    public PciException? Obstacle(DeviceId device, Func<PciException> without) => IsThere ? BrokerGrant.WhyNot(this, device) : without();

    /// <param name="backend">A backend's section, in which <c>broker</c> stands for <c>riser.broker</c>.</param>
    /// <exception cref="ConfigurationException">A value that the key does not take.</exception>
    public static BrokerSettings Of(Config backend)
    {
        var defaults = ReferenceConfig.Default.GetConfig("riser.broker");
        var section = backend.IsNullOrEmpty() || !backend.HasPath(Key) ? defaults : backend.GetConfig(Key).WithFallback(defaults);
        string? socket = section.GetString("socket"); // null: a list
        if (socket is null || (socket.Length > 0 && !Path.IsPathRooted(socket)))
            throw new ConfigurationException($"riser.broker.socket is '{socket}'; it must be an absolute path, or empty.");
        return new(socket, section.Interval("riser.broker", "answer-within"));
    }
}
