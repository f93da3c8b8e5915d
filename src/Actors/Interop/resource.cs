using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>sys/resource.h</summary>
internal static partial class LibC
{
    public const int RLIMIT_MEMLOCK = 8;
    public const ulong RLIM_INFINITY = ulong.MaxValue;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int getrlimit(int resource, out Rlimit limit);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int setrlimit(int resource, in Rlimit limit);
}

/// <summary>struct rlimit</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Rlimit
{
    public ulong rlim_cur;
    public ulong rlim_max;
}
