using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>sys/pidfd.h</summary>
internal static partial class LibC
{
    public const int SIGKILL = 9;

    private const long SYS_pidfd_send_signal = 424; // the same number everywhere
    private const long SYS_pidfd_open = 434;

    /// <summary>Variadic in C, like ioctl. glibc has both by name only since 2.36.</summary>
    [LibraryImport("libc", SetLastError = true, EntryPoint = "syscall")]
    private static partial long pidfd_call(long number, nint first, nint second, nint third, nint fourth);

    public static int pidfd_open(int pid) => (int)pidfd_call(SYS_pidfd_open, pid, 0, 0, 0);

    public static int pidfd_send_signal(int pidfd, int signal) => (int)pidfd_call(SYS_pidfd_send_signal, pidfd, signal, 0, 0);
}

/// <summary>One process, whatever becomes of its number. Owns its descriptor; thread-safe.</summary>
internal sealed class ProcessHandle : FileDescriptor
{
    private const int SOL_SOCKET = 1, SO_PEERPIDFD = 77;

    private ProcessHandle(int fd)
        : base(fd)
    {
    }

    /// <summary>The process that connected a socket; null when it cannot be had.</summary>
    /// <param name="socket">A connected UNIX socket.</param>
    /// <param name="process">Its number, for kernels before 6.5, which do not give it by the socket: ask soon, the number may become another's.</param>
    public static ProcessHandle? OfPeer(Socket socket, int process)
    {
        Span<int> pidfd = [-1];
        try
        {
            socket.GetRawSocketOption(SOL_SOCKET, SO_PEERPIDFD, MemoryMarshal.AsBytes(pidfd));
            return new(pidfd[0]);
        }
        catch (SocketException refused)
        {
            return Errnos.Of(refused) == Errno.ENOPROTOOPT ? Open(process) : null; // else it has ended, and its number is perhaps another's
        }
    }

    /// <summary>A process by its number; null when there is none.</summary>
    public static ProcessHandle? Open(int process) => process > 0 && LibC.pidfd_open(process) is >= 0 and var fd ? new(fd) : null;

    /// <summary>Its number, which is nobody else's for as long as this says it; null: it has ended, or lives where this process cannot see it.</summary>
    /// <exception cref="ObjectDisposedException">This has been closed.</exception>
    public int? Id => WhileOpen(() => File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fdinfo/{Number}"))
        .Where(l => l.StartsWith("Pid:", StringComparison.Ordinal))
        .Select(l => int.Parse(l.AsSpan(4), NumberStyles.Integer, CultureInfo.InvariantCulture))
        .FirstOrDefault(-1) is > 0 and var number ? number : (int?)null);

    /// <summary>Ends it at once; nothing happens when it has ended.</summary>
    /// <exception cref="NativeException">EPERM: it may not be.</exception>
    /// <exception cref="ObjectDisposedException">This has been closed.</exception>
    public void Kill() => WhileOpen(() => LibC.pidfd_send_signal(Number, LibC.SIGKILL) < 0 && LibC.LastErrno is not Errno.ESRCH and var errno
        ? throw new NativeException("pidfd_send_signal", errno)
        : 0);

    // The number of a descriptor that is closed meanwhile is soon that of another.
    private T WhileOpen<T>(Func<T> act)
    {
        bool held = false;
        try
        {
            DangerousAddRef(ref held);
            return act();
        }
        finally
        {
            if (held)
                DangerousRelease();
        }
    }
}
