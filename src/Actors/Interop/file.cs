using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>sys/file.h</summary>
internal static partial class LibC
{
    public const int LOCK_EX = 2;
    public const int LOCK_NB = 4;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int flock(FileDescriptor fd, int operation);
}
