using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>sys/mman.h</summary>
internal static partial class LibC
{
    public const int PROT_NONE = 0;
    public const int PROT_READ = 1;
    public const int PROT_WRITE = 2;

    public const int MAP_SHARED = 0x01;
    public const int MAP_PRIVATE = 0x02;
    public const int MAP_FIXED = 0x10;
    public const int MAP_ANONYMOUS = 0x20;
    public const int MAP_NORESERVE = 0x4000;
    public const int MAP_POPULATE = 0x8000;
    public const int MAP_HUGETLB = 0x40000;

    public const int MADV_DONTNEED = 4;
    public const int MADV_REMOVE = 9;
    public const int MADV_DONTFORK = 10;
    public const int MADV_HUGEPAGE = 14;
    public const int MADV_NOHUGEPAGE = 15;
    public const int MADV_POPULATE_READ = 22;
    public const int MADV_POPULATE_WRITE = 23;

    public const int MREMAP_MAYMOVE = 1;
    public const int MREMAP_FIXED = 2;

    public const uint MFD_CLOEXEC = 1;
    public const uint MFD_ALLOW_SEALING = 2;
    public const uint MFD_HUGETLB = 4;

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint mmap(nint address, nuint length, int protection, int flags, int fd, long offset);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int munmap(nint address, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int madvise(nint address, nuint length, int advice);

    /// <summary>Bytes of this process as a span; the caller knows that they are mapped and stay so.</summary>
    // SAFETY: the address comes from a mapping that the caller keeps alive (DmaMemory holds its MemoryMapping), checked for bounds there.
    public static unsafe Span<byte> SpanOf(ulong address, int length) => new((void*)address, length);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint mremap(nint address, nuint oldSize, nuint newSize, int flags);

    /// <summary>With MREMAP_FIXED.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint mremap(nint address, nuint oldSize, nuint newSize, int flags, nint newAddress);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int memfd_create([MarshalAs(UnmanagedType.LPUTF8Str)] string name, uint flags);
}

/// <summary>A range of this process's address space that is unmapped when the handle is released.</summary>
internal sealed class MemoryMapping : SafeHandle
{
    private MemoryMapping(nint address, nuint size)
        : base(invalidHandleValue: -1, ownsHandle: true)
    {
        SetHandle(address);
        Size = size;
    }

    public override bool IsInvalid => handle == -1;

    /// <summary>First byte, page aligned.</summary>
    public nint Address => handle;

    /// <summary>Bytes, a multiple of the page size (of the huge page size under MAP_HUGETLB).</summary>
    public nuint Size { get; }

    /// <summary>Maps memory, at an address aligned to <c>alignment</c> bytes, a power of two; 0: to the page.</summary>
    /// <exception cref="NativeException">As mmap(2).</exception>
    public static MemoryMapping Create(nuint size, int protection, int flags, int fd = -1, long offset = 0, nuint alignment = 0)
    {
        nint address = LibC.mmap(0, size + alignment, protection, flags, fd, offset);
        if (address == -1)
            throw new NativeException("mmap", LibC.LastErrno);
        if (alignment == 0)
            return new(address, size);
        // The range was taken longer by the alignment; what stands over on both sides is given back.
        nuint head = (alignment - ((nuint)address & (alignment - 1))) & (alignment - 1);
        if (head > 0)
            _ = LibC.munmap(address, head);
        if (alignment - head > 0)
            _ = LibC.munmap(address + (nint)(head + size), alignment - head);
        return new(address + (nint)head, size);
    }

    /// <exception cref="NativeException">As madvise(2).</exception>
    public void Advise(int advice)
    {
        if (LibC.madvise(handle, Size, advice) != 0)
            throw new NativeException("madvise", LibC.LastErrno);
    }

    /// <summary>
    /// A second mapping of the same shared pages (mremap(2) from a size of 0). It needs no new permission, so it works on
    /// a memory file that is sealed against new writers. Null where the kernel refuses: private or huge pages.
    /// </summary>
    public static MemoryMapping? TryDuplicate(nint address, nuint size)
    {
        nint second = LibC.mremap(address, 0, size, LibC.MREMAP_MAYMOVE);
        return second != -1 ? new(second, size) : null;
    }

    /// <summary>Maps part of a file over part of this range, which the range was reserved for.</summary>
    /// <exception cref="NativeException">As mmap(2).</exception>
    public void Overlay(nuint offset, nuint size, int protection, int flags, int fd, long fileOffset)
    {
        if (offset > Size || size > Size - offset)
            throw new ArgumentOutOfRangeException(nameof(offset), "The overlay does not fit in the range.");
        if (LibC.mmap(handle + (nint)offset, size, protection, flags | LibC.MAP_FIXED, fd, fileOffset) == -1)
            throw new NativeException("mmap", LibC.LastErrno);
    }

    /// <summary>
    /// Replaces all pages by empty private ones; the address range stays taken. Where the machine keeps account of every page that might be written
    /// (overcommit_memory = 2) and has none left, they can only be read.
    /// </summary>
    /// <exception cref="NativeException">As mmap(2).</exception>
    public void Blank()
    {
        const int Empty = LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS | LibC.MAP_NORESERVE;
        try
        {
            Overlay(0, Size, LibC.PROT_READ | LibC.PROT_WRITE, Empty, -1, 0);
        }
        catch (NativeException refused) when (refused.Errno == Errno.ENOMEM)
        {
            Overlay(0, Size, LibC.PROT_READ, Empty, -1, 0);
        }
    }

    protected override bool ReleaseHandle() => LibC.munmap(handle, Size) == 0;
}
