using System.Globalization;
using System.Runtime.InteropServices;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Reactor;

/// <summary>How many system calls a thread makes, as the kernel's tracepoint raw_syscalls:sys_enter counts them. Costs the thread none.</summary>
internal sealed unsafe partial class SyscallCounter : IDisposable
{
    private const uint PERF_TYPE_TRACEPOINT = 2;
    private static readonly string[] s_ids =
    [
        "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
        "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
    ];

    private readonly FileDescriptor _event;

    private SyscallCounter(int fd) => _event = new(fd);

    /// <summary>Since it was opened.</summary>
    public long Count
    {
        get
        {
            long count;
            if (LibC.read(_event.Number, &count, sizeof(long)) != sizeof(long))
                throw new NativeException("read(perf event)", LibC.LastErrno);
            return count;
        }
    }

    /// <summary>Starts counting for one thread of this process; null, and why, where that is not allowed.</summary>
    public static SyscallCounter? Open(int thread, out string refusal)
    {
        refusal = "";
        int number = RuntimeInformation.ProcessArchitecture switch
        {
            System.Runtime.InteropServices.Architecture.X64 => 298,
            System.Runtime.InteropServices.Architecture.Arm64 => 241,
            _ => -1,
        };
        try
        {
            string id = File.ReadAllText(s_ids.FirstOrDefault(File.Exists) ?? s_ids[0]);
            var attributes = new PerfEventAttr { type = PERF_TYPE_TRACEPOINT, size = (uint)sizeof(PerfEventAttr), config = ulong.Parse(id, CultureInfo.InvariantCulture) };
            nint fd = syscall(number, &attributes, thread, -1, -1, 0);
            if (fd >= 0)
                return new((int)fd);
            refusal = $"perf_event_open: {LibC.LastErrno}";
        }
        catch (Exception denied) when (denied is IOException or UnauthorizedAccessException)
        {
            refusal = denied.Message;
        }

        refusal = $"Counting system calls needs the kernel's tracepoints, which root has where tracefs is mounted ({refusal}).";
        return null;
    }

    public void Dispose() => _event.Dispose();

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, PerfEventAttr* attributes, nint pid, nint cpu, nint group, nint flags);

    /// <summary>linux/perf_event.h, struct perf_event_attr as of its first version.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 64)]
    private struct PerfEventAttr
    {
        public uint type;
        public uint size;
        public ulong config;
    }
}
