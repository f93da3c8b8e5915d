namespace Riser.Actors.Interop;

/// <summary>What an opened device shows at offsets of its file: registers and configuration space; replaced in specs.</summary>
internal interface IDeviceWindows : IDisposable
{
    /// <summary>Reads 1, 2, 4 or 8 bytes at an offset of the device file.</summary>
    ulong Read(ulong offset, int width);

    /// <summary>Writes 1, 2, 4 or 8 bytes at an offset of the device file.</summary>
    void Write(ulong offset, int width, ulong value);

    /// <summary>Maps part of the device file over a reserved range.</summary>
    void MapInto(MemoryMapping mapping, ulong mappingOffset, ulong size, bool writable, ulong offset);
}

/// <summary>A device file with windows, read and written by offset. Thread-safe.</summary>
internal abstract class WindowFile(int fd) : NodeFile(fd), IDeviceWindows
{
    public unsafe ulong Read(ulong offset, int width)
    {
        ulong value = 0;
        // SAFETY: the kernel writes at most width (8 or less) bytes into an 8-byte local; little endian, as PCI is.
        nint done = LibC.pread(this, &value, (nuint)width, (long)offset);
        return done == width ? value : throw Short("pread(device)", done);
    }

    public unsafe void Write(ulong offset, int width, ulong value)
    {
        // SAFETY: the kernel reads at most width (8 or less) bytes of an 8-byte local.
        nint done = LibC.pwrite(this, &value, (nuint)width, (long)offset);
        if (done != width)
            throw Short("pwrite(device)", done);
    }

    public void MapInto(MemoryMapping mapping, ulong mappingOffset, ulong size, bool writable, ulong offset) =>
        mapping.Overlay((nuint)mappingOffset, (nuint)size, LibC.PROT_READ | (writable ? LibC.PROT_WRITE : 0), LibC.MAP_SHARED, Number, (long)offset);

    // A short transfer is what the kernel does at the end of a window; the callers have checked the bounds.
    private static NativeException Short(string call, nint done) => new(call, done < 0 ? LibC.LastErrno : Errno.EIO, done < 0 ? null : $"{done} bytes");
}
