using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>sys/uio.h</summary>
internal static partial class LibC
{
    /// <summary>struct iovec</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct IoVec
    {
        public nint iov_base;
        public nuint iov_len;
    }

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial nint process_vm_readv(int pid, IoVec* local, nuint localCount, IoVec* remote, nuint remoteCount, nuint flags);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial nint process_vm_writev(int pid, IoVec* local, nuint localCount, IoVec* remote, nuint remoteCount, nuint flags);
}

/// <summary>
/// This process's memory, reached through the kernel by address: where a load or store would raise a signal because
/// nobody is there any more, these report it.
/// </summary>
internal static class HostMemory
{
    /// <summary>Copies from <paramref name="address"/>; false (EFAULT) when a byte of it is not there or not readable.</summary>
    public static unsafe bool TryRead(ulong address, Span<byte> into)
    {
        // SAFETY: the span is pinned for the call; the kernel checks the other address.
        fixed (byte* local = into)
        {
            var here = new LibC.IoVec { iov_base = (nint)local, iov_len = (nuint)into.Length };
            var there = new LibC.IoVec { iov_base = (nint)address, iov_len = (nuint)into.Length };
            return LibC.process_vm_readv(Environment.ProcessId, &here, 1, &there, 1, 0) == into.Length;
        }
    }

    /// <summary>Copies to <paramref name="address"/>; false (EFAULT) when a byte of it is not there or not writable. Bytes before it may have been written.</summary>
    public static unsafe bool TryWrite(ulong address, ReadOnlySpan<byte> from)
    {
        // SAFETY: the span is pinned for the call; the kernel checks the other address.
        fixed (byte* local = from)
        {
            var here = new LibC.IoVec { iov_base = (nint)local, iov_len = (nuint)from.Length };
            var there = new LibC.IoVec { iov_base = (nint)address, iov_len = (nuint)from.Length };
            return LibC.process_vm_writev(Environment.ProcessId, &here, 1, &there, 1, 0) == from.Length;
        }
    }

    /// <summary>Makes every page of a range present, as pinning it would, without changing a byte; false when a page cannot be.</summary>
    public static bool TryPopulate(ulong address, ulong size, bool forWriting)
    {
        int advice = forWriting ? LibC.MADV_POPULATE_WRITE : LibC.MADV_POPULATE_READ;
        int result;
        do
            result = LibC.madvise((nint)address, (nuint)size, advice);
        while (result != 0 && LibC.LastErrno == Errno.EINTR);
        return result == 0;
    }
}
