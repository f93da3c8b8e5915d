namespace Riser.Actors.Interop;

/// <summary>A file in memory (memfd) of a fixed size, read and written by offset. Owns its descriptor; pages exist once written.</summary>
internal sealed class MemoryFile : FileDescriptor
{
    private MemoryFile(int fd, long size)
        : base(fd) => Size = size;

    /// <summary>Bytes.</summary>
    public long Size { get; }

    /// <exception cref="NativeException">EMFILE: the limit of open files is reached; ENOMEM.</exception>
    public static MemoryFile Create(string name, long size)
    {
        int fd = LibC.memfd_create(name, LibC.MFD_CLOEXEC);
        if (fd < 0)
            throw new NativeException("memfd_create", LibC.LastErrno);
        var file = new MemoryFile(fd, size);
        if (LibC.ftruncate(fd, size) == 0)
            return file;
        var errno = LibC.LastErrno;
        file.Dispose();
        throw new NativeException("ftruncate", errno);
    }

    /// <summary>A shared mapping of the whole file; it outlives this descriptor.</summary>
    public MemoryMapping Map() => MemoryMapping.Create((nuint)Size, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_SHARED, Number);

    /// <exception cref="NativeException">As pread(2); EFAULT past the end.</exception>
    public unsafe void Read(long offset, Span<byte> into)
    {
        // SAFETY: the span is pinned for the call and its length is passed.
        fixed (byte* buffer = into)
        {
            if (LibC.pread(Number, buffer, (nuint)into.Length, offset) != into.Length)
                throw new NativeException("pread(memfd)", Errno.EFAULT);
        }
    }

    /// <exception cref="NativeException">As pwrite(2); EFAULT past the end.</exception>
    public unsafe void Write(long offset, ReadOnlySpan<byte> from)
    {
        if (offset < 0 || offset > Size - from.Length)
            throw new NativeException("pwrite(memfd)", Errno.EFAULT);

        // SAFETY: the span is pinned for the call and its length is passed.
        fixed (byte* buffer = from)
        {
            if (LibC.pwrite(Number, buffer, (nuint)from.Length, offset) != from.Length)
                throw new NativeException("pwrite(memfd)", LibC.LastErrno);
        }
    }
}
