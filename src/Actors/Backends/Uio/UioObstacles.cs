using Riser.Actors.Backends.Hardware;

namespace Riser.Actors.Backends.Uio;

/// <summary>What stands between a function and its being opened through uio_pci_user, with the fix; what can be said without opening anything.</summary>
internal sealed class UioObstacles(PciSysfs sysfs, UioSettings settings)
{
    /// <summary>The module, and the driver that it is.</summary>
    public const string Module = "uio_pci_user";

    private const int CapSysRawIo = 17; // linux/capability.h

    public string Node(string address) => Path.Combine(settings.Nodes, address);

    /// <summary>The first obstacle in the way of a function; null when there is none to be seen.</summary>
    public PciException? Of(PciFunction function)
    {
        if (function.IsUioGeneric)
            return OfPlain(function.Address);
        if (!function.IsUioUser)
            return NotBound(function);
        string node = Node(function.Address);
        if (function.Group is { } group && PciObstacles.NotViable(sysfs, group, Module) is { } offenders)
            return offenders;
        if (!PciObstacles.Exists(node))
            return null; // told by opening it
        if (!PciObstacles.CanUse(node))
            return settings.Broker.Obstacle(DeviceId.Parse($"uio:{function.Address}"), () => PciObstacles.NoPermission(node, Module));
        return function.Group is null ? WithoutIommu(function.Address) : null;
    }

    /// <summary>The node of Linux's UIO; null when the driver has not made one.</summary>
    public string? PlainNode(string address)
    {
        try
        {
            return Directory.EnumerateDirectories(Path.Combine(sysfs.PathOf(address), "uio")).Select(Path.GetFileName).FirstOrDefault() is { } name
                ? Path.Combine(settings.PlainNodes, name)
                : null;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Why a function that uio_pci_generic has cannot be opened.</summary>
    public PciException? OfPlain(string address)
    {
        if (PlainNode(address) is not { } node)
            return new(Errno.ENODEV, $"uio_pci_generic has {address} and shows no UIO device of it", "Bind it again; the kernel's log may say why.");
        string folder = sysfs.PathOf(address);
        string resource = Path.Combine(folder, "resource");
        var bars = PlainWindows.Resources(Lines(resource));
        string[] files = [node, Path.Combine(folder, "config"), .. bars.Select(b => $"{resource}{b.Index}")];
        string[] closed = [.. files.Where(f => PciObstacles.Exists(f) && !PciObstacles.CanUse(f))];
        return closed.Length == 0 ? null : new(
            Errno.EACCES,
            $"No permission to open {string.Join(", ", closed)}",
            $"Give them to this user: chown $USER {string.Join(' ', closed)}; or bind the device to {Module}, where one node is all it takes.");
    }

    private static string[] Lines(string file)
    {
        try
        {
            return File.ReadAllLines(file);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return []; // the function has just gone
        }
    }

    /// <summary>Why opening the node failed.</summary>
    public PciException NotOpened(string address, Interop.NativeException fault)
    {
        string node = Node(address);
        return fault.Errno switch
        {
            Errno.EACCES => PciObstacles.NoPermission(node, Module, fault.Errno),
            Errno.EPERM => WithoutIommu(address) ?? new(Errno.EPERM, $"The kernel does not let {node} be opened", "The kernel's log may say more.", inner: fault),
            Errno.EBUSY => Busy(address, node, fault),
            Errno.ENOENT or Errno.ENXIO or Errno.ENODEV => new(
                Errno.ENODEV,
                $"{node} is not there ({fault.Errno})",
                $"Bind the function to {Module} again; without udev or devtmpfs, make the node from /sys/class/{Module}/{address}/dev.",
                SessionFailure.OpenFailed,
                fault),
            _ => new(fault.Errno, $"{fault.Call} failed for {address}", "The kernel's log may say more.", SessionFailure.OpenFailed, fault),
        };
    }

    private PciException Busy(string address, string node, Exception fault)
    {
        string? group = sysfs.Find(address)?.Group;
        if (group is not null && PciObstacles.NotViable(sysfs, group, Module) is { } offenders)
            return offenders;
        string[] siblings = group is null ? [] : [.. sysfs.OfGroup(group).Where(f => f.Address != address && (f.IsUioUser || f.IsVfio)).Select(f => f.Address)];
        return new(
            Errno.EBUSY,
            siblings.Length == 0
                ? $"{address} is held by another program, or an error of it is being handled"
                : $"{address} is held by another program, or {string.Join(" or ", siblings)} of its IOMMU group {group} is: a group has one user",
            $"End that program first; fuser -v {node} names it.",
            inner: fault);
    }

    private PciException NotBound(PciFunction function)
    {
        var refusal = PciObstacles.NotBound(function, Module);
        return sysfs.HasDriver(Module)
            ? refusal
            : new(refusal.Errno, $"{refusal.Why}, and the module {Module} is not loaded", $"Load it: modprobe {Module} (make module-install builds and installs it). {refusal.Fix}");
    }

    /// <summary>A function without an IOMMU reaches all memory; who may have it all the same. Null: this process may.</summary>
    private PciException? WithoutIommu(string address)
    {
        if (sysfs.Find(address)?.Group is not null)
            return null;
        const string Iommu = "Turn the IOMMU on, in the firmware (VT-d, AMD-Vi, SMMU) and on the kernel's command line (intel_iommu=on)";
        if (sysfs.Parameter(Module, "allow_noiommu") is { } allowed && allowed != "Y")
            return new(Errno.EPERM, $"{address} has no IOMMU in front of it and could reach all memory", $"{Iommu}; or, trusting device and program with the whole machine, load {Module} with allow_noiommu=1.");
        return Capabilities.Has(CapSysRawIo)
            ? null
            : new(Errno.EPERM, $"{address} has no IOMMU in front of it, and this process lacks CAP_SYS_RAWIO", $"{Iommu}; or give the program that capability.");
    }
}
