using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>sys/eventfd.h</summary>
internal static partial class LibC
{
    public const int EFD_NONBLOCK = 0x800;
    public const int EFD_CLOEXEC = 0x80000;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int eventfd(uint initval, int flags);
}

/// <summary>A kernel counter that a device, a program or KVM adds to. Owns its file descriptor.</summary>
internal sealed class EventFdHandle : FileDescriptor
{
    private EventFdHandle(int fd)
        : base(fd)
    {
    }

    /// <exception cref="NativeException">EMFILE or ENFILE: the limit of open files is reached.</exception>
    public static EventFdHandle Create()
    {
        int fd = LibC.eventfd(0, LibC.EFD_NONBLOCK | LibC.EFD_CLOEXEC);
        return fd >= 0 ? new(fd) : throw new NativeException("eventfd", LibC.LastErrno);
    }

    /// <summary>Takes what was signalled since the last read; 0 when nothing was (EAGAIN). Does not block.</summary>
    /// <exception cref="NativeException">The descriptor is not an eventfd of this process any more (EBADF).</exception>
    public unsafe long Read()
    {
        ulong count;
        while (true)
        {
            if (LibC.read(Number, &count, sizeof(ulong)) == sizeof(ulong))
                return (long)count;
            switch (LibC.LastErrno)
            {
                case Errno.EAGAIN: return 0;
                case Errno.EINTR: continue;
                case var errno: throw new NativeException("read(eventfd)", errno);
            }
        }
    }

    /// <summary>Adds <paramref name="count"/> to the counter, as the kernel does for an interrupt.</summary>
    public unsafe void Signal(long count = 1)
    {
        while (LibC.write(Number, &count, sizeof(long)) != sizeof(long))
        {
            if (LibC.LastErrno is not Errno.EINTR and var errno)
                throw new NativeException("write(eventfd)", errno);
        }
    }
}
