using Akka.Configuration;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Hardware;

namespace Riser.Actors.Backends.Vfio;

/// <summary>
/// Devices that are bound to vfio-pci or a variant of it, through the type1v2 container of their IOMMU group. Needs no
/// root: read and write permission for /dev/vfio/&lt;group&gt; and a limit of locked memory that holds the mappings.
/// </summary>
public sealed class VfioBackend : IPciBackend, IAsksBroker
{
    private readonly VfioSettings _settings;
    private readonly PciSysfs _sysfs;
    private readonly VfioObstacles _obstacles;
    private readonly VfioGroups _groups;

    /// <param name="config">The section <c>riser.backends.vfio</c>; keys that are missing have the defaults of reference.conf.</param>
    /// <exception cref="ConfigurationException">A value that the key does not take.</exception>
    public VfioBackend(Config config)
    {
        _settings = VfioSettings.Read(config);
        _sysfs = new(_settings.Sysfs);
        _obstacles = new(_sysfs, _settings.Nodes, _settings.Broker);
        _groups = new(_settings, _obstacles);
    }

    /// <inheritdoc/>
    public string Name => "vfio";

    /// <summary>The functions that are bound to a VFIO driver. Of others, <see cref="Open"/> says what keeps them from being opened.</summary>
    public IReadOnlyList<DeviceDescription> Discover() => [.. _sysfs.All().Where(f => f.IsVfio).Select(Describe)];

    /// <inheritdoc/>
    public IPciSession Open(DeviceId device)
    {
        var function = _sysfs.Find(device.Address) ?? throw PciObstacles.Unknown(device.Address);
        if (_obstacles.Of(function) is { } obstacle)
            throw obstacle;
        return VfioSession.Open(function.Address, _groups, _groups.Acquire(function.Group!, function.Address), _settings);
    }

    /// <inheritdoc/>
    public IDisposable Watch(Action<DeviceChange> changed) => new PciWatch(_sysfs, f => f.IsVfio, Describe, changed, _settings.HotPlug.Uevents, _settings.HotPlug.PollInterval);

    /// <summary>Nothing of its own: sessions hold what is open.</summary>
    public void Dispose()
    {
    }

    private DeviceDescription Describe(PciFunction function)
    {
        var obstacle = _obstacles.Of(function);
        return new(DeviceId.Parse($"vfio:{function.Address}"), function.VendorId, function.ProductId, function.ClassCode, function.Group, obstacle is null ? null : $"{obstacle.Why}. {obstacle.Fix}");
    }
}
