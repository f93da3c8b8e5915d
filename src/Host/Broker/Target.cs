using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;

namespace Riser.Host.Broker;

/// <summary>What is given as one: the node that is opened, and every function that is reached through it.</summary>
/// <param name="Device">What was asked for.</param>
/// <param name="Node">The device node; for VFIO that of the whole group. Two targets with one node are one.</param>
/// <param name="Functions">Bridges, which nobody drives through a group, are left out, unless they are bound to a VFIO driver.</param>
internal sealed record Target(DeviceId Device, string Node, IReadOnlyList<PciFunction> Functions)
{
    public const string Vfio = "vfio", Uio = "uio";

    public static readonly IReadOnlyList<string> Backends = [Vfio, Uio];

    /// <summary>Whether the kernel takes it back by itself (UPU_REVOKE).</summary>
    public bool IsRevocable => Device.Backend == Uio;

    /// <inheritdoc/>
    public override string ToString() => Device.ToString();
}

/// <summary>Finds what a name stands for, in sysfs; nothing that a peer sends becomes part of a path unchecked.</summary>
internal sealed class Targets(PciSysfs sysfs, string vfioNodes, string uioNodes)
{
    public const string UioDriver = "uio_pci_user";

    /// <exception cref="PciException">EINVAL, ENODEV: it cannot be given away; the fix says what to do first.</exception>
    public Target Find(string device)
    {
        if (!DeviceId.TryParse(device, out var id))
            throw new PciException(Errno.EINVAL, $"'{Shown(device)}' is not a device id", "Write <backend>:<address>, e.g. vfio:0000:00:10.0.");
        return id.Backend switch
        {
            Target.Vfio when Function(id.Address) is { IsVfio: true, Group: { } group } function => new(id, Path.Combine(vfioNodes, group), Together(function)),
            Target.Uio when Function(id.Address) is { Driver: UioDriver, Group: not null } function => new(id, Path.Combine(uioNodes, id.Address), [function]),
            Target.Vfio => throw NotBound(id, "vfio-pci"),
            Target.Uio => throw NotBound(id, UioDriver),
            _ => throw new PciException(Errno.EINVAL, $"The broker has no devices of the backend '{Shown(id.Backend)}'", "It has those of vfio and uio."),
        };
    }

    /// <summary>One function, whatever its driver.</summary>
    /// <exception cref="PciException">ENODEV: there is none; EINVAL: that is no address.</exception>
    public PciFunction Function(string address) => sysfs.Find(address) ?? throw (PciSysfs.IsAddress(address)
        ? new PciException(Errno.ENODEV, $"There is no PCI function {address}", "lspci -D lists them.")
        : new PciException(Errno.EINVAL, $"'{Shown(address)}' is not a PCI address", "Write it as lspci -D does: domain:bus:device.function, e.g. 0000:00:10.0."));

    /// <summary>Itself and every other function of its IOMMU group but the bridges, which nobody drives; one that is bound to a VFIO driver is driven like any other.</summary>
    public IReadOnlyList<PciFunction> Together(PciFunction function) => function.Group is { } group
        ? [.. sysfs.OfGroup(group).Where(f => f.Address == function.Address || f.IsVfio || !IsBridge(f))]
        : [function];

    /// <summary>The virtual functions that a function has now; they go when its driver does.</summary>
    public IReadOnlyList<PciFunction> VirtualOf(PciFunction function) => sysfs.VirtualOf(function.Address);

    /// <summary>Bridges (base class 06) carry what others do. Class 0680 is what non-transparent bridges and odd devices have, which are given away.</summary>
    public static bool IsBridge(PciFunction function) => function.ClassCode >> 16 == 0x06 && function.ClassCode >> 8 != 0x0680;

    // What a peer sent goes into a log and a terminal.
    private static string Shown(string text) => new([.. text.Take(64).Select(c => char.IsAsciiLetterOrDigit(c) || c is ':' or '.' or '-' or '_' ? c : '?')]);

    private PciException NotBound(DeviceId id, string driver)
    {
        var function = Function(id.Address);
        if (function.Group is null) // the broker has CAP_SYS_RAWIO, which opens it all the same; whom it gave it to would own the machine
            return new(Errno.EPERM, $"{id.Address} is behind no IOMMU and reaches all memory: the broker gives it to nobody", "Turn the IOMMU on, in the firmware and on the kernel's command line (intel_iommu=on).");
        return new(
            Errno.EINVAL,
            function.Driver is { } bound ? $"{id.Address} is bound to {bound}" : $"{id.Address} is bound to no driver",
            $"Have it bound: riser broker bind {id.Address} --driver {driver}.");
    }
}
