using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Vfio;

/// <summary>What stands between a function and its being opened, with the fix; what can be said without opening anything.</summary>
internal sealed class VfioObstacles(PciSysfs sysfs, string nodes)
{
    /// <summary>The first obstacle in the way of a function; null when there is none to be seen.</summary>
    public PciException? Of(PciFunction function)
    {
        if (!function.IsVfio)
            return NotBound(function);
        if (function.Group is not { } group)
            return NoIommu(function);
        string node = Path.Combine(nodes, group);
        return NotViable(group) ?? (Exists(node) && !CanUse(node) ? NoPermission(node) : null);
    }

    public static PciException Unknown(string address) => new(
        Errno.ENODEV,
        PciSysfs.IsAddress(address) ? $"There is no PCI function {address}" : $"'{address}' is not a PCI address",
        "Write it as lspci -D does: domain:bus:device.function, e.g. 0000:00:10.0.");

    /// <summary>The functions of a group whose drivers keep it from being given away; null when there are none.</summary>
    public PciException? NotViable(string group)
    {
        string[] offenders = [.. sysfs.OfGroup(group).Where(f => !f.IsViable).Select(f => $"{f.Address} is bound to {f.Driver}")];
        return offenders.Length == 0 ? null : new(
            Errno.EINVAL,
            $"IOMMU group {group} is not viable: {string.Join(", ", offenders)}",
            $"Bind {(offenders.Length == 1 ? "it" : "them")} to vfio-pci or to no driver: the IOMMU cannot tell the functions of a group apart.");
    }

    /// <summary>No permission for a device node.</summary>
    public static PciException NoPermission(string node, Errno errno = Errno.EACCES) => new(
        errno,
        $"No permission to open {node}",
        $"Give it to this user: chown $USER {node}, or for good a udev rule such as SUBSYSTEM==\"vfio\", GROUP=\"vfio\", MODE=\"0660\".");

    public static PciException NoModule(string node, Errno errno) => new(
        Errno.ENODEV,
        $"{node} is not there ({errno})",
        "Load VFIO: modprobe vfio-pci.");

    private static PciException NotBound(PciFunction function) => new(
        Errno.EINVAL,
        function.Driver is { } driver ? $"{function.Address} is bound to {driver}" : $"{function.Address} is bound to no driver",
        $"Bind it to vfio-pci: echo vfio-pci > /sys/bus/pci/devices/{function.Address}/driver_override; "
        + (function.Driver is null ? "" : $"echo {function.Address} > /sys/bus/pci/devices/{function.Address}/driver/unbind; ")
        + $"echo {function.Address} > /sys/bus/pci/drivers_probe.");

    private static PciException NoIommu(PciFunction function) => new(
        Errno.EINVAL,
        $"{function.Address} is in no IOMMU group",
        "Turn the IOMMU on, in the firmware (VT-d, AMD-Vi, SMMU) and on the kernel's command line (intel_iommu=on).");

    private static bool Exists(string path) => LibC.faccessat(LibC.AT_FDCWD, path, 0, 0) == 0;

    private static bool CanUse(string path) => LibC.faccessat(LibC.AT_FDCWD, path, LibC.R_OK | LibC.W_OK, LibC.AT_EACCESS) == 0;
}
