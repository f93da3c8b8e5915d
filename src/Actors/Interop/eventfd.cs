using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>sys/eventfd.h</summary>
internal static partial class LibC
{
    public const int EFD_NONBLOCK = 0x800;
    public const int EFD_CLOEXEC = 0x80000;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int eventfd(uint initval, int flags);

    /// <summary>
    /// read(2) by its number: 20 ns less than by the C library's function, which in a process with threads lets itself be cancelled,
    /// and than with an errno that is kept. Variadic in C, which x86-64 and arm64 Linux pass alike.
    /// </summary>
    [LibraryImport("libc", EntryPoint = "syscall")]
    public static unsafe partial nint syscall_read(nint number, nint fd, void* buffer, nint count);

    public static nint SYS_read { get; } = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 0,
        Architecture.Arm64 => 63,
        var other => throw new PlatformNotSupportedException($"Riser does not know the system calls of {other}."),
    };
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

    /// <summary>Another descriptor of the same counter.</summary>
    /// <exception cref="NativeException">EMFILE: the limit of open files is reached.</exception>
    /// <exception cref="ObjectDisposedException">It is closed, and its number may be another file's by now.</exception>
    public EventFdHandle Duplicate()
    {
        bool held = false;
        try
        {
            DangerousAddRef(ref held);
            int fd = LibC.fcntl(Number, LibC.F_DUPFD_CLOEXEC, 0);
            return fd >= 0 ? new(fd) : throw new NativeException("fcntl(F_DUPFD_CLOEXEC)", LibC.LastErrno);
        }
        finally
        {
            if (held)
                DangerousRelease();
        }
    }

    /// <summary>Takes what was signalled since the last read; 0 when nothing was (EAGAIN). Does not block.</summary>
    /// <exception cref="NativeException">The descriptor is not an eventfd of this process any more (EBADF).</exception>
    public unsafe long Read()
    {
        ulong count;
        if (LibC.syscall_read(LibC.SYS_read, Number, &count, sizeof(ulong)) == sizeof(ulong))
            return (long)count;
        while (true) // again, and this time with errno
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
