using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Hardware;

namespace Riser.Actors.Backends.Vfio;

/// <summary>What stands between a function and its being opened, with the fix; what can be said without opening anything.</summary>
internal sealed class VfioObstacles(PciSysfs sysfs, string nodes, BrokerSettings broker)
{
    /// <summary>The first obstacle in the way of a function; null when there is none to be seen.</summary>
    public PciException? Of(PciFunction function)
    {
        if (!function.IsVfio)
            return PciObstacles.NotBound(function, "vfio-pci");
        if (function.Group is not { } group)
            return NoIommu(function);
        string node = Path.Combine(nodes, group);
        return NotViable(group) ?? (PciObstacles.Exists(node) && !PciObstacles.CanUse(node) ? broker.Obstacle(DeviceId.Parse($"vfio:{function.Address}"), () => NoPermission(node)) : null);
    }

    /// <summary>The functions of a group whose drivers keep it from being given away; null when there are none.</summary>
    public PciException? NotViable(string group) => PciObstacles.NotViable(sysfs, group, "vfio-pci");

    /// <summary>No permission for a device node.</summary>
    public static PciException NoPermission(string node, Errno errno = Errno.EACCES) => PciObstacles.NoPermission(node, "vfio", errno);

    public static PciException NoModule(string node, Errno errno) => new(
        Errno.ENODEV,
        $"{node} is not there ({errno})",
        "Load VFIO: modprobe vfio-pci.");

    private static PciException NoIommu(PciFunction function) => new(
        Errno.EINVAL,
        $"{function.Address} is in no IOMMU group",
        "Turn the IOMMU on, in the firmware (VT-d, AMD-Vi, SMMU) and on the kernel's command line (intel_iommu=on).");
}
