using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>fcntl.h</summary>
internal static partial class LibC
{
    public const int F_DUPFD_CLOEXEC = 1030;
    public const int F_ADD_SEALS = 1033;
    public const int F_SEAL_SHRINK = 2;
    public const int F_SEAL_GROW = 4;
    public const int F_SEAL_FUTURE_WRITE = 0x10;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fcntl(int fd, int command, long argument);
}
