namespace Riser.Actors.Interop;

/// <summary>/dev/uio&lt;n&gt; of Linux's UIO (Documentation/driver-api/uio-howto.rst): one interrupt, as a count that can be waited for.</summary>
internal sealed class UioFile(int fd) : NodeFile(fd)
{
    /// <summary>Keeps other programs out that ask so, too: UIO itself lets any number in. False when one has it.</summary>
    public bool TryLock() => LibC.flock(this, LibC.LOCK_EX | LibC.LOCK_NB) == 0;

    /// <summary>The interrupts that there have been since the driver was loaded, modulo 2^32. Waits for one that this descriptor has not read.</summary>
    /// <exception cref="NativeException">As read(2); EIO: the device is gone.</exception>
    public unsafe uint ReadCount()
    {
        uint count;
        while (true)
        {
            // SAFETY: the kernel writes the 4 bytes of a local.
            if (LibC.read(Number, &count, sizeof(uint)) == sizeof(uint))
                return count;
            if (LibC.LastErrno is not Errno.EINTR and var errno)
                throw new NativeException("read(uio)", errno);
        }
    }
}

/// <summary>A file of sysfs that shows part of a PCI function: its configuration space, or a BAR.</summary>
internal sealed class SysfsFile(int fd) : WindowFile(fd);
