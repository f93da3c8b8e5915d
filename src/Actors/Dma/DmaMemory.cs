using Riser.Actors.Backends;
using Riser.Actors.Interop;

namespace Riser.Actors.Dma;

/// <summary>What DMA memory is made of.</summary>
public enum DmaMemoryKind
{
    /// <summary>Anonymous pages of 4 KiB.</summary>
    Normal,

    /// <summary>Anonymous memory that the kernel may back with transparent huge pages; maps fastest from 2 MiB on.</summary>
    Huge,

    /// <summary>Reserved huge pages (hugetlb) of 2 MiB; the administrator must have set vm.nr_hugepages.</summary>
    HugeTlb,

    /// <summary>A memory file that Riser makes and seals, so that it can be shared and never shrinks under a device.</summary>
    Shared,

    /// <summary>An address range that the program owns.</summary>
    Foreign,

    /// <summary>Pages that the kernel gives through a device (<c>DeviceProtocol.AllocateMemory</c>): no fork, reclaim or splitting ever touches them.</summary>
    Buffer,
}

/// <summary>
/// Memory that a device can be let reach. It is page aligned, zeroed, kept from fork (MADV_DONTFORK), and belongs to the DMA region
/// that it is given to. Its bytes can be read and written from any thread; what the device does to them is not synchronized.
/// </summary>
/// <remarks>
/// When its region ends the pages are given back, but the address range stays taken (and reads as zeros) until nobody holds
/// this object, so that a late access can never reach somebody else's memory.
/// </remarks>
public sealed class DmaMemory : IDisposable
{
    private static readonly ulong s_page = (ulong)Environment.SystemPageSize;
    private const ulong HugePage = 2 << 20;

    private readonly MemoryMapping? _mapping; // null: foreign
    private int _released;

    private DmaMemory(DmaMemoryKind kind, HostRange range, MemoryMapping? mapping, FileDescriptor? memfd)
    {
        Kind = kind;
        Range = range;
        _mapping = mapping;
        Memfd = memfd;
    }

    /// <summary>What it is made of.</summary>
    public DmaMemoryKind Kind { get; }

    /// <summary>Where it is in this process.</summary>
    public HostRange Range { get; }

    /// <summary>Bytes, a multiple of the page size.</summary>
    public ulong Size => Range.Size;

    internal FileDescriptor? Memfd { get; }

    /// <summary>Part of this memory as a mapping at <paramref name="iova"/>.</summary>
    internal DmaPiece Piece(ulong iova, ulong offset, ulong size, DmaAccess access) =>
        new(iova, new(Range.Address + offset, size), access) { Memfd = Memfd, MemfdOffset = offset, IsBuffer = Kind == DmaMemoryKind.Buffer };

    /// <summary>Allocates zeroed memory.</summary>
    /// <param name="size">Bytes, more than 0; rounded up to whole pages (2 MiB for <see cref="DmaMemoryKind.HugeTlb"/>).</param>
    /// <param name="kind">Any but <see cref="DmaMemoryKind.Foreign"/> and <see cref="DmaMemoryKind.Buffer"/>.</param>
    /// <exception cref="PciException">ENOMEM: no memory, or no huge pages are reserved; EINVAL: the size is 0 or too large.</exception>
    public static DmaMemory Allocate(ulong size, DmaMemoryKind kind = DmaMemoryKind.Normal)
    {
        ulong unit = kind == DmaMemoryKind.HugeTlb ? HugePage : s_page;
        ulong rounded = Rounded(size, unit);
        try
        {
            return kind switch
            {
                DmaMemoryKind.Normal => Anonymous(rounded, kind, 0, LibC.MADV_NOHUGEPAGE),
                DmaMemoryKind.Huge => Anonymous(rounded, kind, 0, LibC.MADV_HUGEPAGE),
                DmaMemoryKind.HugeTlb => Anonymous(rounded, kind, LibC.MAP_HUGETLB, advice: null),
                DmaMemoryKind.Shared => SealedFile(rounded),
                DmaMemoryKind.Buffer => throw new PciException(Errno.EINVAL, "A buffer is the kernel's to give", "Ask the device: DeviceProtocol.AllocateMemory."),
                _ => throw new PciException(Errno.EINVAL, "Foreign memory cannot be allocated", "Use DmaMemory.FromRange."),
            };
        }
        catch (NativeException refusal)
        {
            string fix = kind == DmaMemoryKind.HugeTlb
                ? $"Reserve huge pages: sysctl vm.nr_hugepages={rounded / HugePage} or more."
                : "Free memory, or ask for less.";
            throw new PciException(refusal.Errno, $"{rounded} bytes of {kind} memory could not be allocated: {refusal.Call}", fix, inner: refusal);
        }
    }

    /// <summary>
    /// Uses memory that the program itself mapped. The program keeps it; if it takes it away (munmap, mremap, madvise), the region is
    /// invalidated. Truncating a file behind it is noticed only by the <c>uio</c> backend. Without an IOMMU a region refuses it: nothing could keep the device
    /// from what becomes of it.
    /// </summary>
    /// <param name="range">Page aligned in address and size.</param>
    /// <exception cref="PciException">EINVAL: misaligned, empty, or it wraps.</exception>
    public static DmaMemory FromRange(HostRange range)
    {
        if (range.Size == 0 || range.Address % s_page != 0 || range.Size % s_page != 0 || range.Address + range.Size < range.Address)
            throw new PciException(Errno.EINVAL, $"{range} is not a range of whole pages", $"Align address and size to {s_page}.");
        return new(DmaMemoryKind.Foreign, range, mapping: null, memfd: null);
    }

    /// <summary>Memory that a device's backend gives.</summary>
    /// <param name="size">Bytes, more than 0; rounded up to whole pages, or to 2 MiB if <paramref name="huge"/>.</param>
    /// <param name="huge">In pieces of 2 MiB.</param>
    /// <param name="allocate">Takes the rounded size and <paramref name="huge"/>; gives the file that is mapped.</param>
    /// <exception cref="PciException">As <paramref name="allocate"/>; EINVAL: the size is 0 or too large.</exception>
    internal static DmaMemory FromDevice(ulong size, bool huge, Func<ulong, bool, FileDescriptor> allocate)
    {
        ulong rounded = Rounded(size, huge ? HugePage : s_page);
        var file = allocate(rounded, huge);
        MemoryMapping? mapping = null;
        try
        {
            // The aligned range is taken first: the file has no bytes for what would stand over on both sides.
            mapping = MemoryMapping.Create((nuint)rounded, LibC.PROT_NONE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS | LibC.MAP_NORESERVE, alignment: huge ? (nuint)HugePage : 0);
            mapping.Overlay(0, (nuint)rounded, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_SHARED, file.Number, 0);
            mapping.Advise(LibC.MADV_DONTFORK);
            return new(DmaMemoryKind.Buffer, new((ulong)mapping.Address, rounded), mapping, file);
        }
        catch (NativeException refusal)
        {
            mapping?.Dispose();
            file.Dispose();
            throw new PciException(refusal.Errno, $"{rounded} bytes of the device's memory could not be mapped: {refusal.Call}", "Free address space, or ask for less.", inner: refusal);
        }
    }

    /// <summary>Some of the bytes, to read and write directly; valid while this object is held and its region lives.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="length">How many.</param>
    /// <exception cref="ArgumentOutOfRangeException">Not inside the memory.</exception>
    public Span<byte> Span(ulong offset, int length)
    {
        if (length < 0 || offset > Size || (ulong)length > Size - offset)
            throw new ArgumentOutOfRangeException(nameof(offset), $"Bytes {offset} to {offset + (ulong)length} are not inside {Size} bytes.");
        return LibC.SpanOf(Range.Address + offset, length);
    }

    /// <summary>Gives the pages back. For memory that no region owns; a region does it itself, after the device can no longer reach it.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _released, 1) == 1)
            return;
        _mapping?.Blank();
        Memfd?.Dispose();
    }

    private static ulong Rounded(ulong size, ulong unit) => size > 0 && size <= long.MaxValue - unit
        ? (size + unit - 1) / unit * unit
        : throw new PciException(Errno.EINVAL, $"{size} bytes cannot be allocated", "Ask for at least one byte.");

    private static DmaMemory Anonymous(ulong size, DmaMemoryKind kind, int flags, int? advice)
    {
        var mapping = MemoryMapping.Create(
            (nuint)size,
            LibC.PROT_READ | LibC.PROT_WRITE,
            LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS | flags,
            alignment: kind is DmaMemoryKind.Huge && size >= HugePage ? (nuint)HugePage : 0);
        mapping.Advise(LibC.MADV_DONTFORK);
        if (advice is { } hint)
            mapping.Advise(hint);
        return new(kind, new((ulong)mapping.Address, size), mapping, memfd: null);
    }

    private static DmaMemory SealedFile(ulong size)
    {
        int fd = LibC.memfd_create("riser-dma", LibC.MFD_CLOEXEC | LibC.MFD_ALLOW_SEALING);
        if (fd < 0)
            throw new NativeException("memfd_create", LibC.LastErrno);
        var memfd = new FileDescriptor(fd);
        try
        {
            if (LibC.ftruncate(fd, (long)size) != 0)
                throw new NativeException("ftruncate", LibC.LastErrno);
            var mapping = MemoryMapping.Create((nuint)size, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_SHARED, fd);
            mapping.Advise(LibC.MADV_DONTFORK);
            // After the mapping: from here on nobody, whoever holds the file, can shrink it, grow it, or write it but through mappings that exist.
            if (LibC.fcntl(fd, LibC.F_ADD_SEALS, LibC.F_SEAL_SHRINK | LibC.F_SEAL_GROW | LibC.F_SEAL_FUTURE_WRITE) != 0)
                throw new NativeException("fcntl(F_ADD_SEALS)", LibC.LastErrno);
            return new(DmaMemoryKind.Shared, new((ulong)mapping.Address, size), mapping, memfd);
        }
        catch
        {
            memfd.Dispose();
            throw;
        }
    }
}
