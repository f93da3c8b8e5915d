using System.Globalization;
using System.Net.NetworkInformation;
using Mono.Unix.Native;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Host.Broker;

/// <summary>What the machine itself uses a function for: its network, its disks. Looks; changes nothing.</summary>
internal sealed class Uses(string sysfs, string proc, string dev)
{
    private const int InterfaceIsUp = 1; // IFF_UP

    private readonly Processes _processes = new(proc);

    /// <summary>Every use of a function, in words; none: it can be taken away.</summary>
    public IReadOnlyList<string> Of(PciFunction function)
    {
        string device = Real(Path.Combine(sysfs, "bus/pci/devices", function.Address));
        return [.. Network(function, device), .. Disks(device)];
    }

    private IEnumerable<string> Network(PciFunction function, string device)
    {
        var interfaces = Class("net").Where(i => IsBelow(i.Path, device)).ToList();
        foreach (var (name, path) in interfaces)
        {
            if (Number(path, "flags") is { } flags && (flags & InterfaceIsUp) != 0)
                yield return $"its network interface {name} is up";
            else if (Text(path, "carrier") == "1")
                yield return $"its network interface {name} has a carrier";
            if (Addresses(name) is { Count: > 0 } addresses)
                yield return $"its network interface {name} has the addresses {string.Join(", ", addresses)}";
            if (Directory.Exists(Path.Combine(path, "master")))
                yield return $"its network interface {name} is part of {Path.GetFileName(Real(Path.Combine(path, "master")))}";
        }
        // sysfs shows the interfaces of one network namespace only.
        if (interfaces.Count == 0 && function is { ClassCode: >= 0x020000 and < 0x030000, Driver: not (null or "pci-stub" or Targets.UioDriver or "uio_pci_generic"), IsVfio: false })
            yield return $"it is a network card with the driver {function.Driver} whose interface cannot be seen from here: it may be in another network namespace";
    }

    private static List<string> Addresses(string name) =>
        [.. from i in NetworkInterface.GetAllNetworkInterfaces() where i.Name == name from a in i.GetIPProperties().UnicastAddresses select a.Address.ToString()];

    private IEnumerable<string> Disks(string device)
    {
        List<string> owners = [device, .. Subsystems(device)];
        foreach (var (name, path) in Class("block").Where(b => owners.Exists(owner => IsBelow(b.Path, owner))))
        {
            var reasons = Reasons(name, path).ToList();
            foreach (string reason in reasons)
                yield return $"its disk {name} {reason}";
            if (reasons.Count == 0 && IsClaimed(name))
                yield return $"its disk {name} is in use (EBUSY): mounted in another namespace, or claimed by the kernel";
        }
    }

    private IEnumerable<string> Reasons(string name, string path)
    {
        string number = Text(path, "dev") ?? string.Empty;
        foreach (string mount in Lines("self/mountinfo").Select(l => l.Split(' ')).Where(f => f.Length > 4 && f[2] == number).Select(f => f[4]))
            yield return $"is mounted at {mount}";
        if (Lines("swaps").Any(l => l.Split(' ', '\t')[0] == $"/dev/{name}"))
            yield return "is swap";
        string holders = Path.Combine(path, "holders");
        foreach (string holder in Directory.Exists(holders) ? Directory.EnumerateFileSystemEntries(holders) : [])
            yield return $"is part of {Path.GetFileName(holder)}";
        if (_processes.With($"/dev/{name}") is { Count: > 0 } openers)
            yield return $"is open in process {Processes.Named(openers)}";
    }

    // An exclusive open is refused to all but one: file systems, swap, md and dm have theirs, in any namespace.
    private bool IsClaimed(string name)
    {
        int fd = Syscall.open(Path.Combine(dev, name), OpenFlags.O_RDONLY | OpenFlags.O_EXCL | OpenFlags.O_NONBLOCK | OpenFlags.O_CLOEXEC);
        if (fd >= 0)
        {
            LibC.close(fd);
            return false;
        }
        var errno = Stdlib.GetLastError();
        return Errnos.IsShortage(errno) ? throw new NativeException("open", errno) : errno == Errno.EBUSY;
    }

    // With native multipath a namespace's disk belongs to its NVMe subsystem, which names its controllers.
    private IEnumerable<string> Subsystems(string device) =>
        from subsystem in Class("nvme-subsystem")
        where Directory.EnumerateFileSystemEntries(subsystem.Path, "nvme*").Any(e => new FileInfo(e).LinkTarget is not null && IsBelow(Real(e), device))
        select subsystem.Path;

    private IEnumerable<(string Name, string Path)> Class(string name)
    {
        string folder = Path.Combine(sysfs, "class", name);
        return Directory.Exists(folder)
            ? Directory.EnumerateFileSystemEntries(folder).Order(StringComparer.Ordinal).Select(e => (Path.GetFileName(e), Real(e)))
            : [];
    }

    private IEnumerable<string> Lines(string file) => File.Exists(Path.Combine(proc, file)) ? File.ReadLines(Path.Combine(proc, file)) : [];

    private static bool IsBelow(string path, string folder) => path.StartsWith(folder + "/", StringComparison.Ordinal);

    // Links in sysfs lead through folders that are links themselves only at their beginning.
    private static string Real(string path) => new DirectoryInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);

    private static string? Text(string folder, string name)
    {
        try
        {
            return File.ReadAllText(Path.Combine(folder, name)).Trim();
        }
        catch (IOException problem) when (!Errnos.IsShortage(problem)) // carrier of an interface that is down is EINVAL
        {
            return null;
        }
    }

    private static uint? Number(string folder, string name) =>
        Text(folder, name) is { } text && text.StartsWith("0x", StringComparison.Ordinal) && uint.TryParse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out uint number) ? number : null;
}
