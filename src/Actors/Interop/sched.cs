using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>sched.h</summary>
internal static partial class LibC
{
    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int sched_setaffinity(int pid, nuint size, void* mask);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int sched_getaffinity(int pid, nuint size, void* mask);
}

/// <summary>Which processors threads run on. A thread that .NET starts takes over the main thread's, not that of the thread which started it.</summary>
internal static class Affinity
{
    private const int Words = 128; // 8,192 processors, what the largest kernels are built for

    /// <summary>The processors that this process's main thread may run on, in order.</summary>
    /// <exception cref="NativeException">The kernel knows more processors than this does (EINVAL).</exception>
    public static IReadOnlyList<int> OfProcess() => Of(Environment.ProcessId);

    /// <summary>The processors that the calling thread may run on, in order.</summary>
    public static IReadOnlyList<int> OfThread() => Of(0);

    /// <summary>Binds the calling thread to one processor.</summary>
    /// <exception cref="NativeException">EINVAL: there is none of that number, or it is not for this process.</exception>
    public static unsafe void BindThread(int processor)
    {
        ulong* mask = stackalloc ulong[Words];
        new Span<ulong>(mask, Words).Clear();
        mask[processor / 64] = 1UL << (processor % 64);
        // SAFETY: the mask is on the stack and as long as it says.
        if (LibC.sched_setaffinity(0, Words * sizeof(ulong), mask) != 0)
            throw new NativeException("sched_setaffinity", LibC.LastErrno);
    }

    private static unsafe List<int> Of(int thread)
    {
        ulong* mask = stackalloc ulong[Words];
        new Span<ulong>(mask, Words).Clear();
        // SAFETY: as above.
        if (LibC.sched_getaffinity(thread, Words * sizeof(ulong), mask) < 0)
            throw new NativeException("sched_getaffinity", LibC.LastErrno);
        List<int> processors = [];
        for (int i = 0; i < Words * 64; i++)
        {
            if ((mask[i / 64] & (1UL << (i % 64))) != 0)
                processors.Add(i);
        }

        return processors;
    }
}
