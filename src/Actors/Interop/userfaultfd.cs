using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>linux/userfaultfd.h</summary>
internal static partial class LibC
{
    public const int UFFD_USER_MODE_ONLY = 1;
    public const int O_CLOEXEC = 0x80000;

    public const ulong UFFD_API = 0xAA;
    public const uint UFFDIO_API = 0xc018aa3f;
    public const uint UFFDIO_REGISTER = 0xc020aa00;
    public const uint UFFDIO_UNREGISTER = 0x8010aa01;
    public const ulong UFFDIO_REGISTER_MODE_WP = 2;

    public const byte UFFD_EVENT_REMAP = 0x14;
    public const byte UFFD_EVENT_REMOVE = 0x15;
    public const byte UFFD_EVENT_UNMAP = 0x16;

    public const ulong UFFD_FEATURE_PAGEFAULT_FLAG_WP = 1 << 0;
    public const ulong UFFD_FEATURE_EVENT_REMAP = 1 << 2;
    public const ulong UFFD_FEATURE_EVENT_REMOVE = 1 << 3;
    public const ulong UFFD_FEATURE_EVENT_UNMAP = 1 << 6;
    public const ulong UFFD_FEATURE_WP_HUGETLBFS_SHMEM = 1 << 12;

    /// <summary>The C library has no userfaultfd(2).</summary>
    public static nint SYS_userfaultfd => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 323 : 282;

    /// <summary>syscall(2) with one argument; variadic in C, which x86-64 and arm64 Linux pass alike.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint syscall(nint number, nint argument);
}

/// <summary>struct uffdio_api</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct uffdio_api
{
    public ulong api;
    public ulong features;
    public ulong ioctls;
}

/// <summary>struct uffdio_range</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct uffdio_range
{
    public ulong start;
    public ulong len;
}

/// <summary>struct uffdio_register</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct uffdio_register
{
    public uffdio_range range;
    public ulong mode;
    public ulong ioctls;
}

/// <summary>struct uffd_msg; of its union what UNMAP, REMOVE and REMAP use.</summary>
[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct uffd_msg
{
    [FieldOffset(0)]
    public byte @event;

    /// <summary>arg.remove.start, also of UNMAP: the first byte.</summary>
    [FieldOffset(8)]
    public ulong remove_start;

    /// <summary>arg.remove.end, also of UNMAP: the byte after the last.</summary>
    [FieldOffset(16)]
    public ulong remove_end;

    /// <summary>arg.remap.from</summary>
    [FieldOffset(8)]
    public ulong remap_from;

    /// <summary>arg.remap.to</summary>
    [FieldOffset(16)]
    public ulong remap_to;

    /// <summary>arg.remap.len: bytes.</summary>
    [FieldOffset(24)]
    public ulong remap_len;
}
