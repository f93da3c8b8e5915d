using Mono.Unix.Native;

namespace Riser.Actors.Interop;

/// <summary>A control descriptor of a node of uio_pci_user (UPU_O_CONTROL): it is not the device's user, and can take the device from him.</summary>
internal sealed class UpuControlFile : FileDescriptor
{
    private const OpenFlags UPU_O_CONTROL = (OpenFlags)3;
    private const nuint UPU_REVOKE = 0xb70f; // _IO(0xb7, 15)

    private UpuControlFile(int fd)
        : base(fd)
    {
    }

    /// <exception cref="NativeException">ENOENT: no such device; EPERM: neither CAP_SYS_ADMIN nor the file's owner.</exception>
    public static UpuControlFile Open(string node)
    {
        int fd = Syscall.open(node, UPU_O_CONTROL | OpenFlags.O_CLOEXEC);
        return fd >= 0 ? new(fd) : throw new NativeException($"open({node})", Stdlib.GetLastError());
    }

    /// <summary>Takes the device from its user: bus mastering off, reset, interrupts, registers and memory gone. Without a user it does nothing.</summary>
    /// <exception cref="NativeException">ENODEV: the device is gone.</exception>
    public unsafe void Revoke()
    {
        var argument = new upu_plain { argsz = (uint)sizeof(upu_plain) };
        // SAFETY: the kernel reads argsz bytes of a local.
        if (LibC.ioctl(this, UPU_REVOKE, &argument) < 0)
            throw new NativeException(nameof(UPU_REVOKE), LibC.LastErrno);
    }
}
