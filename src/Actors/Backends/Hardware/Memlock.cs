using System.Globalization;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Hardware;

/// <summary>How much memory this process has locked and may lock. VFIO's type1 container and uio_pci_user count what they pin as VmLck.</summary>
/// <param name="Locked">VmLck in bytes: what counts against the limit, mlock(2) and DMA together.</param>
/// <param name="Pinned">VmPin in bytes: pinned by others (io_uring, RDMA); told, and not counted against it.</param>
/// <param name="Limit">RLIMIT_MEMLOCK in bytes; null when there is none.</param>
/// <param name="Exempt">The process has CAP_IPC_LOCK. In a user namespace that does not count, and the kernel refuses all the same.</param>
internal sealed record Memlock(ulong Locked, ulong Pinned, ulong? Limit, bool Exempt)
{
    /// <summary>From so many bytes on a look is nothing beside pinning them; below, the kernel's own refusal is explained with the same figures.</summary>
    public const ulong WorthALook = 2 << 20;

    private const int CapIpcLock = 14; // linux/capability.h

    /// <summary>As it is now.</summary>
    public static Memlock Now()
    {
        ulong? limit = LibC.getrlimit(LibC.RLIMIT_MEMLOCK, out var now) == 0 && now.rlim_cur != LibC.RLIM_INFINITY ? now.rlim_cur : null;
        return Parse(File.ReadAllText("/proc/self/status"), limit);
    }

    /// <summary>Reads the text of /proc/self/status (proc(5)).</summary>
    public static Memlock Parse(string status, ulong? limit)
    {
        ulong locked = 0, pinned = 0;
        foreach (var line in status.AsSpan().EnumerateLines())
        {
            if (line.StartsWith("VmLck:"))
                locked = Kibibytes(line[6..]);
            else if (line.StartsWith("VmPin:"))
                pinned = Kibibytes(line[6..]);
        }

        return new(locked, pinned, limit, (Capabilities.Parse(status) & (1UL << CapIpcLock)) != 0);
    }

    /// <summary>Why <paramref name="bytes"/> more cannot be locked; null when they can. Advisory: another thread may lock meanwhile.</summary>
    public PciException? Refusal(ulong bytes) =>
        Exempt || Limit is not { } limit || (bytes <= limit && Locked <= limit - bytes) ? null : Explain(bytes);

    /// <summary>ENOMEM with the figures, for a refusal of ours or of the kernel.</summary>
    public PciException Explain(ulong bytes, Exception? inner = null) => Limit is not { } limit
        ? new(Errno.ENOMEM, $"The kernel has no memory to pin {bytes} bytes; {Locked} are locked now", "Free memory, or map less.", inner: inner)
        : new(
            Errno.ENOMEM,
            $"Mapping {bytes} bytes for DMA locks them: needed {Locked + bytes} ({Locked} locked now), allowed {limit} (RLIMIT_MEMLOCK)"
            + (Pinned == 0 ? "" : $"; {Pinned} more are pinned by others") + (Exempt ? "; CAP_IPC_LOCK counts only in the first user namespace" : ""),
            $"Raise the limit (ulimit -l {(Locked + bytes + 1023) / 1024}, LimitMEMLOCK= of the service, memlock in /etc/security/limits.conf) or grant CAP_IPC_LOCK.",
            inner: inner);

    private static ulong Kibibytes(ReadOnlySpan<char> text)
    {
        text = text.Trim();
        int end = text.IndexOf(' ');
        return ulong.TryParse(end < 0 ? text : text[..end], NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) ? value * 1024 : 0;
    }
}
