using Akka.Configuration;

namespace Riser.Actors.Devices;

/// <summary><c>riser.device</c> and <c>riser.restart</c> of reference.conf.</summary>
/// <param name="OpenTimeout">How long opening a session may take before it counts as a hang.</param>
/// <param name="EndTimeout">How long ending one may take.</param>
/// <param name="HeartbeatInterval">How often a session is asked whether it is alive.</param>
/// <param name="HeartbeatTimeout">How long it may take to answer, behind whatever it is doing.</param>
/// <param name="Restart">What to do about failures.</param>
internal sealed record DeviceSettings(TimeSpan OpenTimeout, TimeSpan EndTimeout, TimeSpan HeartbeatInterval, TimeSpan HeartbeatTimeout, RestartPolicy Restart)
{
    public static DeviceSettings From(Config riser) => new(
        Positive(riser, "device.open-timeout"),
        Positive(riser, "device.end-timeout"),
        Positive(riser, "device.heartbeat.interval"),
        Positive(riser, "device.heartbeat.timeout"),
        RestartPolicy.From(riser.GetConfig("restart")));

    private static TimeSpan Positive(Config riser, string key) => riser.Time("riser", key) is var time && time > TimeSpan.Zero
        ? time
        : throw new ConfigurationException($"riser.{key} is {time}; it must be more than 0.");
}
