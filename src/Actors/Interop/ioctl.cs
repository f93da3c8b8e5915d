using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>sys/ioctl.h</summary>
internal static partial class LibC
{
    /// <summary>Variadic in C; on x86-64 and arm64 Linux an integer or pointer argument is passed as a named one would be.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int ioctl(FileDescriptor fd, nuint request, void* argument);
}
