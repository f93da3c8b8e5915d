using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Hardware;

/// <summary>What can stand between any function and its being opened, with the fix; what can be said without opening anything.</summary>
internal static class PciObstacles
{
    public static PciException Unknown(string address) => new(
        Errno.ENODEV,
        PciSysfs.IsAddress(address) ? $"There is no PCI function {address}" : $"'{address}' is not a PCI address",
        "Write it as lspci -D does: domain:bus:device.function, e.g. 0000:00:10.0.");

    /// <summary>The functions of a group whose drivers keep it from being given away; null when there are none.</summary>
    public static PciException? NotViable(PciSysfs sysfs, string group, string driver)
    {
        string[] offenders = [.. sysfs.OfGroup(group).Where(f => !f.IsViable).Select(f => $"{f.Address} is bound to {f.Driver}")];
        return offenders.Length == 0 ? null : new(
            Errno.EINVAL,
            $"IOMMU group {group} is not viable: {string.Join(", ", offenders)}",
            $"Bind {(offenders.Length == 1 ? "it" : "them")} to {driver} or to no driver: the IOMMU cannot tell the functions of a group apart.");
    }

    /// <summary>No permission for a device node of a subsystem.</summary>
    public static PciException NoPermission(string node, string subsystem, Errno errno = Errno.EACCES) => new(
        errno,
        $"No permission to open {node}",
        $"Give it to this user: chown $USER {node}, or for good a udev rule such as SUBSYSTEM==\"{subsystem}\", GROUP=\"{subsystem}\", MODE=\"0660\"; or let the broker give it (riser broker).");

    /// <summary>Another driver, or none, has the function.</summary>
    public static PciException NotBound(PciFunction function, string driver) => new(
        Errno.EINVAL,
        function.Driver is { } other ? $"{function.Address} is bound to {other}" : $"{function.Address} is bound to no driver",
        $"Bind it to {driver}: echo {driver} > /sys/bus/pci/devices/{function.Address}/driver_override; "
        + (function.Driver is null ? "" : $"echo {function.Address} > /sys/bus/pci/devices/{function.Address}/driver/unbind; ")
        + $"echo {function.Address} > /sys/bus/pci/drivers_probe.");

    public static bool Exists(string path) => LibC.faccessat(LibC.AT_FDCWD, path, 0, 0) == 0;

    public static bool CanUse(string path) => LibC.faccessat(LibC.AT_FDCWD, path, LibC.R_OK | LibC.W_OK, LibC.AT_EACCESS) == 0;
}
