using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>unistd.h</summary>
internal static partial class LibC
{
    public const int R_OK = 4;
    public const int W_OK = 2;
    public const int AT_FDCWD = -100;
    public const int AT_EACCESS = 0x200;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int dup(int fd);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial nint read(int fd, void* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial nint write(int fd, void* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial nint pread(int fd, void* buffer, nuint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial nint pwrite(int fd, void* buffer, nuint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial nint pread(FileDescriptor fd, void* buffer, nuint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial nint pwrite(FileDescriptor fd, void* buffer, nuint count, long offset);

    /// <summary>Whether the effective user may do <paramref name="mode"/> with a path, when <paramref name="flags"/> has AT_EACCESS.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int faccessat(int directory, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, int mode, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int ftruncate(int fd, long length);

    /// <summary>errno of the last call on this thread that was declared with SetLastError.</summary>
    public static Errno LastErrno => (Errno)Marshal.GetLastPInvokeError();
}
