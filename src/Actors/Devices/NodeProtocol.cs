using Akka.Actor;
using Newtonsoft.Json;
using Riser.Actors.Backends;

namespace Riser.Actors.Devices;

/// <summary>What one can say to a node, and what it answers. Questions wait until every backend has looked once.</summary>
public static class NodeProtocol
{
    /// <summary>Anything that a node accepts.</summary>
    public interface ICommand;

    /// <summary>Asks for one device. Answers <see cref="DeviceFound"/>, or <see cref="Refused"/> with ENODEV.</summary>
    public sealed record FindDevice(DeviceId Device) : ICommand;

    /// <summary>Asks for all devices. Answers <see cref="Devices"/>.</summary>
    public sealed record ListDevices : ICommand;

    /// <summary>Sends the sender <see cref="DeviceAdded"/> and <see cref="DeviceRemoved"/> from now on, after a first <see cref="Devices"/>.</summary>
    public sealed record WatchDevices : ICommand;

    /// <summary>Closes every device, in order. Answers <see cref="AllClosed"/>.</summary>
    public sealed record CloseAll : ICommand;

    /// <summary>Answer to <see cref="FindDevice"/>.</summary>
    /// <param name="Device">What the backend found.</param>
    /// <param name="Actor">Understands <see cref="DeviceProtocol"/>; valid for the node's life.</param>
    public sealed record DeviceFound(DeviceDescription Device, IActorRef Actor);

    /// <summary>Answer to <see cref="ListDevices"/> and <see cref="WatchDevices"/>, in order of id.</summary>
    /// <param name="All">Every device that is there now.</param>
    public sealed record Devices([property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<DeviceFound> All);

    /// <summary>A device has come.</summary>
    public sealed record DeviceAdded(DeviceFound Device);

    /// <summary>A device has gone. Its actor stays, and takes it up again when it comes back.</summary>
    public sealed record DeviceRemoved(DeviceId Device);

    /// <summary>Answer to <see cref="CloseAll"/>.</summary>
    public sealed record AllClosed;
}
