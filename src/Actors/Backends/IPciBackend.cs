namespace Riser.Actors.Backends;

/// <summary>
/// One way to reach devices. Everything above is the same code for all backends. A backend is made once per node from
/// its HOCON section (<c>riser.backends.&lt;name&gt;</c>), by a public constructor that takes an <see cref="Akka.Configuration.Config"/>.
/// All calls are thread-safe and may block.
/// </summary>
public interface IPciBackend : IDisposable
{
    /// <summary>The part of a <see cref="DeviceId"/> before the colon.</summary>
    string Name { get; }

    /// <summary>The devices that this backend could open now or after a fix that the description names.</summary>
    IReadOnlyList<DeviceDescription> Discover();

    /// <summary>Opens a device: claims it, turns bus mastering on, and arms and maps nothing.</summary>
    /// <exception cref="PciException">
    /// ENODEV: no such device; EBUSY: another program holds it or its group; EACCES or EPERM: no permission;
    /// EINVAL: not bound to this backend's driver, or its group is not viable. The message names the fix.
    /// </exception>
    IPciSession Open(DeviceId device);

    /// <summary>Calls <paramref name="changed"/>, on any thread, for every device that comes or goes until the result is disposed.</summary>
    IDisposable Watch(Action<DeviceChange> changed);
}

/// <summary>What a backend knows of a device without opening it.</summary>
/// <param name="Id">Its name on this node.</param>
/// <param name="VendorId">PCI vendor id, configuration space offset 0.</param>
/// <param name="ProductId">PCI device id, configuration space offset 2.</param>
/// <param name="ClassCode">24 bits: base class, subclass, programming interface.</param>
/// <param name="Group">IOMMU group; devices of one group share an address space and are reset together. Null: a group of its own.</param>
/// <param name="Obstacle">Why it cannot be opened now, with the fix; null when it can.</param>
public sealed record DeviceDescription(DeviceId Id, ushort VendorId, ushort ProductId, uint ClassCode, string? Group, string? Obstacle = null);

/// <summary>A device came or went.</summary>
public abstract record DeviceChange
{
    private DeviceChange()
    {
    }

    /// <summary>A device can be seen that could not be seen before.</summary>
    public sealed record Added(DeviceDescription Device) : DeviceChange;

    /// <summary>A device is gone.</summary>
    public sealed record Removed(DeviceId Device) : DeviceChange;
}
