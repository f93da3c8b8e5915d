using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>linux/netlink.h, and of sys/socket.h what a netlink socket needs.</summary>
internal static partial class LibC
{
    public const int AF_NETLINK = 16;
    public const int SOCK_DGRAM = 2;
    public const int SOCK_NONBLOCK = 0x800;
    public const int SOCK_CLOEXEC = 0x80000;
    public const int NETLINK_KOBJECT_UEVENT = 15;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int bind(FileDescriptor fd, in sockaddr_nl address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint recvfrom(FileDescriptor fd, [Out] byte[] buffer, nuint length, int flags, out sockaddr_nl address, ref uint addressLength);
}

/// <summary>struct sockaddr_nl</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct sockaddr_nl
{
    public ushort nl_family;
    public ushort nl_pad;
    public uint nl_pid;
    public uint nl_groups;
}

/// <summary>The kernel's announcements of devices that come and go. Non-blocking; needs no privilege.</summary>
internal sealed class UeventSocket : FileDescriptor
{
    private const uint KernelGroup = 1; // group 2 carries what udev repeats

    private readonly byte[] _buffer = new byte[16384]; // lib/kobject_uevent.c: at most 2 KiB of variables and a path

    private UeventSocket(int fd)
        : base(fd)
    {
    }

    /// <exception cref="NativeException">EAFNOSUPPORT, EPROTONOSUPPORT: no uevents here; EPERM: a sandbox forbids it.</exception>
    public static UeventSocket Create()
    {
        int fd = LibC.socket(LibC.AF_NETLINK, LibC.SOCK_DGRAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC, LibC.NETLINK_KOBJECT_UEVENT);
        if (fd < 0)
            throw new NativeException("socket(NETLINK_KOBJECT_UEVENT)", LibC.LastErrno);
        var socket = new UeventSocket(fd);
        var address = new sockaddr_nl { nl_family = LibC.AF_NETLINK, nl_groups = KernelGroup };
        if (LibC.bind(socket, in address, 12) == 0)
            return socket;
        var errno = LibC.LastErrno;
        socket.Dispose();
        throw new NativeException("bind(NETLINK_KOBJECT_UEVENT)", errno);
    }

    /// <summary>Takes one announcement; empty when there is none or when it is not the kernel's. For one thread.</summary>
    /// <param name="lost">The kernel dropped some (ENOBUFS): look at everything again.</param>
    public ReadOnlySpan<byte> Receive(out bool lost)
    {
        lost = false;
        while (true)
        {
            uint length = 12;
            nint size = LibC.recvfrom(this, _buffer, (nuint)_buffer.Length, 0, out var from, ref length);
            if (size >= 0 && from.nl_pid != 0)
                continue;
            if (size >= 0)
                return _buffer.AsSpan(0, (int)size);
            switch (LibC.LastErrno)
            {
                case Errno.EINTR: continue;
                case Errno.ENOBUFS: lost = true; return default;
                case Errno.EAGAIN: return default;
                case var errno: throw new NativeException("recvfrom(NETLINK_KOBJECT_UEVENT)", errno);
            }
        }
    }
}
