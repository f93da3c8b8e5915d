using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>sys/epoll.h</summary>
internal static partial class LibC
{
    public const int EPOLL_CLOEXEC = 0x80000;

    public const int EPOLL_CTL_ADD = 1;
    public const int EPOLL_CTL_DEL = 2;
    public const int EPOLL_CTL_MOD = 3;

    public const uint EPOLLIN = 0x001;
    public const uint EPOLLET = 1u << 31;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int epoll_ctl(int epfd, int op, int fd, void* @event);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int epoll_wait(int epfd, void* events, int maxevents, int timeout);

    /// <summary>epoll_pwait(2) by its number, as <see cref="syscall_read"/>: all Linux has it, while newer machines lack epoll_wait.</summary>
    [LibraryImport("libc", EntryPoint = "syscall")]
    public static unsafe partial nint syscall_epoll_pwait(nint number, nint epfd, void* events, nint maxevents, nint timeout, void* sigmask, nint sigsetsize);

    public static nint SYS_epoll_pwait { get; } = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 281,
        Architecture.Arm64 => 22,
        var other => throw new PlatformNotSupportedException($"Riser does not know the system calls of {other}."),
    };
}

/// <summary>struct epoll_event where the kernel packs it: x86-64.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct EpollEventPacked
{
    public uint events;
    public ulong data;
}

/// <summary>struct epoll_event everywhere else, arm64 among them.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EpollEventAligned
{
    public uint events;
    public ulong data;
}

/// <summary>A set of file descriptors to wait for. Owns its descriptor; waiting is for one thread, the rest for any.</summary>
internal sealed class EpollHandle : FileDescriptor
{
    private EpollHandle(int fd)
        : base(fd)
    {
    }

    /// <summary>Whether this machine's struct epoll_event is the packed one.</summary>
    public static bool IsPacked => RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <exception cref="NativeException">EMFILE or ENFILE: the limit of open files is reached.</exception>
    public static EpollHandle Create()
    {
        int fd = LibC.epoll_create1(LibC.EPOLL_CLOEXEC);
        return fd >= 0 ? new(fd) : throw new NativeException("epoll_create1", LibC.LastErrno);
    }

    /// <summary>Starts reporting <paramref name="fd"/> as <paramref name="token"/>; at once if it is ready already.</summary>
    /// <exception cref="NativeException">ENOSPC: fs.epoll.max_user_watches is reached; EEXIST: it is in the set.</exception>
    public void Add(FileDescriptor fd, uint interest, ulong token) => Control(LibC.EPOLL_CTL_ADD, fd, interest, token);

    /// <summary>Changes what is reported. A descriptor that is ready for the new interest is reported again, edge or not.</summary>
    /// <exception cref="NativeException">ENOENT: it is not in the set.</exception>
    public void Modify(FileDescriptor fd, uint interest, ulong token) => Control(LibC.EPOLL_CTL_MOD, fd, interest, token);

    /// <summary>Takes the descriptor out, also when copies of it live on elsewhere, which closing alone would not do.</summary>
    /// <exception cref="NativeException">ENOENT: it is not in the set.</exception>
    public void Remove(FileDescriptor fd) => Control(LibC.EPOLL_CTL_DEL, fd, 0, 0);

    /// <summary>Waits until a descriptor is ready. A signal (EINTR) ends the wait early, with 0.</summary>
    /// <param name="events">Is filled from its start.</param>
    /// <param name="timeout">Milliseconds; 0 only looks, -1 waits for ever.</param>
    /// <returns>How many of <paramref name="events"/> were filled.</returns>
    public unsafe int Wait(EpollEvents events, int timeout)
    {
        // SAFETY: the buffer is pinned for its whole life and holds Capacity events.
        int ready = (int)LibC.syscall_epoll_pwait(LibC.SYS_epoll_pwait, Number, (void*)events.Address, events.Capacity, timeout, null, 0);
        if (ready >= 0)
            return ready;
        ready = LibC.epoll_wait(Number, (void*)events.Address, events.Capacity, 0); // a look, and this time with errno; it is never EINTR
        return ready >= 0 ? ready : throw new NativeException("epoll_wait", LibC.LastErrno);
    }

    private unsafe void Control(int operation, FileDescriptor fd, uint interest, ulong token)
    {
        var packed = new EpollEventPacked { events = interest, data = token };
        var aligned = new EpollEventAligned { events = interest, data = token };
        // SAFETY: both are on the stack and are only read during the call; EPOLL_CTL_DEL reads neither.
        if (LibC.epoll_ctl(Number, operation, fd.Number, IsPacked ? &packed : &aligned) != 0)
            throw new NativeException("epoll_ctl", LibC.LastErrno);
    }
}

/// <summary>Room for what one <see cref="EpollHandle.Wait"/> reports.</summary>
internal sealed class EpollEvents(int capacity)
{
    private readonly byte[] _bytes = GC.AllocateArray<byte>(capacity * Stride, pinned: true);

    /// <summary>How many events fit.</summary>
    public int Capacity => capacity;

    /// <summary>First byte; it never moves.</summary>
    public nint Address => Marshal.UnsafeAddrOfPinnedArrayElement(_bytes, 0);

    /// <summary>The token that the ready descriptor was added with.</summary>
    public ulong Token(int index) => MemoryMarshal.Read<ulong>(_bytes.AsSpan(((index + 1) * Stride) - sizeof(ulong))); // the last field of both

    private static int Stride { get; } = EpollHandle.IsPacked ? Unsafe.SizeOf<EpollEventPacked>() : Unsafe.SizeOf<EpollEventAligned>();
}
