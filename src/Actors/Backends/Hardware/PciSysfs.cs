using System.Globalization;
using System.Text.RegularExpressions;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Hardware;

/// <summary>What sysfs says of a PCI function.</summary>
/// <param name="Address">domain:bus:device.function, as sysfs writes it.</param>
/// <param name="VendorId">PCI vendor id.</param>
/// <param name="ProductId">PCI device id.</param>
/// <param name="ClassCode">24 bits: base class, subclass, programming interface.</param>
/// <param name="Driver">The driver that it is bound to; null when none is.</param>
/// <param name="Group">The number of its IOMMU group; null when no IOMMU is in use.</param>
/// <param name="Binding">Another number each time that it is bound to a driver; 0 when it is to none.</param>
internal sealed record PciFunction(string Address, ushort VendorId, ushort ProductId, uint ClassCode, string? Driver, string? Group, ulong Binding)
{
    /// <summary>vfio-pci and its variants (mlx5_vfio_pci, nvgrace-gpu-vfio-pci, …) all carry the word.</summary>
    public bool IsVfio => Driver?.Contains("vfio", StringComparison.Ordinal) == true;

    /// <summary>This project's kernel module.</summary>
    public bool IsUioUser => Driver is "uio_pci_user";

    /// <summary>The UIO driver of Linux for any PCI function.</summary>
    public bool IsUioGeneric => Driver is "uio_pci_generic";

    /// <summary>
    /// Whether the kernel gives the group away although this function is in it: no driver, a VFIO driver, or one of those
    /// that leave DMA to somebody else (driver_managed_dma in Linux: bridges' pcieport, pci-stub, uio_pci_user).
    /// </summary>
    public bool IsViable => IsVfio || IsUioUser || Driver is null or "pci-stub" or "pcieport";
}

/// <summary>Reads PCI functions and IOMMU groups below one sysfs root. A function that goes meanwhile is simply not there.</summary>
internal sealed partial class PciSysfs(string root)
{
    private string DevicesPath => Path.Combine(root, "bus/pci/devices");

    /// <summary>Whether a text has the form of an address; nothing else ever becomes part of a path.</summary>
    public static bool IsAddress(string text) => AddressForm().IsMatch(text);

    /// <summary>The folder of a function.</summary>
    public string PathOf(string address) => Path.Combine(DevicesPath, address);

    /// <summary>Every function, in the order of addresses.</summary>
    /// <exception cref="IOException">sysfs cannot be read just now, which does not mean that there is none.</exception>
    public IEnumerable<PciFunction> All() => Directory.Exists(DevicesPath)
        ? Directory.EnumerateFileSystemEntries(DevicesPath).Select(Path.GetFileName).OfType<string>().Order(StringComparer.Ordinal).Select(Find).OfType<PciFunction>()
        : [];

    /// <summary>One function; null when there is none.</summary>
    public PciFunction? Find(string address)
    {
        if (!IsAddress(address))
            return null;
        string path = Path.Combine(DevicesPath, address);
        return Number(path, "vendor") is { } vendor && Number(path, "device") is { } product && Number(path, "class") is { } classCode
            ? new(address, (ushort)vendor, (ushort)product, classCode, Link(path, "driver"), Link(path, "iommu_group"), Inode(path, "driver"))
            : null;
    }

    /// <summary>Whether a PCI driver of this name is loaded.</summary>
    public bool HasDriver(string name) => Directory.Exists(Path.Combine(root, "bus/pci/drivers", name));

    /// <summary>A parameter of a loaded module; null where there is none that can be read.</summary>
    public string? Parameter(string module, string name)
    {
        try
        {
            return File.ReadAllText(Path.Combine(root, "module", module, "parameters", name)).Trim();
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>All functions of an IOMMU group; none when it has just gone.</summary>
    public IReadOnlyList<PciFunction> OfGroup(string group)
    {
        try
        {
            var names = Directory.EnumerateFileSystemEntries(Path.Combine(root, "kernel/iommu_groups", group, "devices")).Select(Path.GetFileName).OfType<string>();
            return [.. names.Order(StringComparer.Ordinal).Select(Find).OfType<PciFunction>()];
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static uint? Number(string path, string name)
    {
        try
        {
            string text = File.ReadAllText(Path.Combine(path, name)).Trim();
            return text.StartsWith("0x", StringComparison.Ordinal) && uint.TryParse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out uint value) ? value : null;
        }
        catch (IOException)
        {
            return null; // the function has just gone
        }
    }

    private static string? Link(string path, string name)
    {
        try
        {
            return new FileInfo(Path.Combine(path, name)).LinkTarget is { } target ? Path.GetFileName(target) : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    // The kernel makes the link anew for each binding, and gives no number twice that anybody could still know.
    private static ulong Inode(string path, string name) =>
        LibC.statx(LibC.AT_FDCWD, Path.Combine(path, name), LibC.AT_SYMLINK_NOFOLLOW, LibC.STATX_INO, out var link) < 0 ? 0 : link.stx_ino;

    [GeneratedRegex("^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]\\z", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex AddressForm();
}
