using System.Runtime.InteropServices;
using Riser.Actors.Interop;

namespace Riser.Lab.Specs;

/// <summary>
/// A device of the lab in the hands of another driver, and of vfio-pci again at the end; where there is no IOMMU, of none. The module is loaded at its first use.
/// </summary>
internal sealed partial class UioBinding : IDisposable
{
    private const string Module = "uio_pci_user";

    private readonly bool _bare;

    public UioBinding(string name, string driver = Module, bool bare = false)
    {
        _bare = bare;
        Address = Lab.Address(name, bare);
        Lab.Bind(Address, driver);
    }

    public string Address { get; }

    public string Node => $"/dev/{Module}/{Address}";

    /// <summary>As an administrator gives a device to a user without privilege.</summary>
    public UioBinding ForEveryone()
    {
        File.SetUnixFileMode(Node, (UnixFileMode)0x1b6); // rw-rw-rw-
        return this;
    }

    /// <summary>As an administrator takes a device back from its user.</summary>
    public unsafe void Revoke()
    {
        const int Control = 3; // UPU_O_CONTROL
        const uint UPU_REVOKE = (0xB7 << 8) + 15;

        using var file = new FileDescriptor(open(Node, Control));
        Assert.False(file.IsInvalid, $"{Node}: {LibC.LastErrno}");
        var plain = new upu_plain { argsz = (uint)sizeof(upu_plain) };
        Assert.Equal(0, LibC.ioctl(file, UPU_REVOKE, &plain));
    }

    public void Dispose() => Lab.Bind(Address, _bare ? "none" : "vfio-pci");

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);
}
