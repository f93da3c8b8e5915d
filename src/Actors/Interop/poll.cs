using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>poll.h</summary>
internal static partial class LibC
{
    public const short POLLIN = 1;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int poll([In, Out] PollFd[] fds, nuint count, int timeoutMilliseconds);
}

/// <summary>struct pollfd</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PollFd
{
    public int fd;
    public short events;
    public short revents;
}
