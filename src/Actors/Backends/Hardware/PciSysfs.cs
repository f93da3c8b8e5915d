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

/// <summary>
/// Reads PCI functions and IOMMU groups below one sysfs root. A function that goes meanwhile is simply not there; where the process may open
/// no more files, which says nothing of what is there, the reading is refused.
/// </summary>
internal sealed partial class PciSysfs(string root)
{
    private string DevicesPath => Path.Combine(root, "bus/pci/devices");

    /// <summary>Whether a text has the form of an address; nothing else ever becomes part of a path.</summary>
    public static bool IsAddress(string text) => AddressForm().IsMatch(text);

    /// <summary>The folder of a function.</summary>
    public string PathOf(string address) => Path.Combine(DevicesPath, address);

    /// <summary>Every function, in the order of addresses.</summary>
    /// <exception cref="PciException">EMFILE, ENFILE, ENOMEM, EIO: sysfs cannot be read just now.</exception>
    public IReadOnlyList<PciFunction> All() => Below(DevicesPath, "*");

    /// <summary>One function; null when there is none.</summary>
    /// <exception cref="PciException">EMFILE, ENFILE, ENOMEM, EIO: sysfs cannot be read just now.</exception>
    public PciFunction? Find(string address)
    {
        if (!IsAddress(address))
            return null;
        string path = Path.Combine(DevicesPath, address);
        return Number(path, "vendor") is { } vendor && Number(path, "device") is { } product && Number(path, "class") is { } classCode
            ? new(address, (ushort)vendor, (ushort)product, classCode, Link(path, "driver"), Link(path, "iommu_group"), Inode(path, "driver"))
            : null;
    }

    /// <summary>All functions of an IOMMU group; none when it has just gone.</summary>
    /// <exception cref="PciException">EMFILE, ENFILE, ENOMEM, EIO: sysfs cannot be read just now.</exception>
    public IReadOnlyList<PciFunction> OfGroup(string group) => Below(Path.Combine(root, "kernel/iommu_groups", group, "devices"), "*");

    /// <summary>The virtual functions that a function has now; they go when its driver does.</summary>
    /// <exception cref="PciException">EMFILE, ENFILE, ENOMEM, EIO: sysfs cannot be read just now.</exception>
    public IReadOnlyList<PciFunction> VirtualOf(string address) => Below(PathOf(address), "virtfn*");

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

    // Links below a folder to functions, which they are named for or lead to.
    private IReadOnlyList<PciFunction> Below(string folder, string pattern)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(folder, pattern).Select(AddressOf).Order(StringComparer.Ordinal).Select(Find).OfType<PciFunction>()];
        }
        catch (Exception gone) when (gone is DirectoryNotFoundException or UnauthorizedAccessException)
        {
            return [];
        }
        catch (IOException problem)
        {
            throw Refusal(folder, problem);
        }
    }

    private static string AddressOf(string path) => IsAddress(Path.GetFileName(path)) ? Path.GetFileName(path) : Path.GetFileName(new FileInfo(path).LinkTarget ?? string.Empty);

    private static uint? Number(string path, string name)
    {
        string file = Path.Combine(path, name);
        try
        {
            string text = File.ReadAllText(file).Trim();
            return text.StartsWith("0x", StringComparison.Ordinal) && uint.TryParse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out uint value) ? value : null;
        }
        catch (IOException gone) when (!Errnos.IsShortage(gone))
        {
            return null; // the function has just gone
        }
        catch (IOException problem)
        {
            throw Refusal(file, problem);
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
            return null; // to read a link takes no descriptor
        }
    }

    private static PciException Refusal(string path, IOException problem) => new(
        Errnos.Of(problem),
        $"{path} cannot be read",
        Errnos.IsShortage(problem) ? "Close what is open, or raise the limit of open files (ulimit -n, fs.file-max)." : "The kernel's log may say more.",
        inner: problem);

    // The kernel makes the link anew for each binding, and gives no number twice that anybody could still know.
    private static ulong Inode(string path, string name) =>
        LibC.statx(LibC.AT_FDCWD, Path.Combine(path, name), LibC.AT_SYMLINK_NOFOLLOW, LibC.STATX_INO, out var link) < 0 ? 0 : link.stx_ino;

    [GeneratedRegex("^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]\\z", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex AddressForm();
}
