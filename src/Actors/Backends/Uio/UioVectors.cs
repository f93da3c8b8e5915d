using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Uio;

/// <summary>
/// The vectors of a function that uio_pci_user holds. Vectors that are added later disturb none; where the kernel cannot add any (MSI,
/// and MSI-X before 6.5), some are taken ahead at the first arming, and when those are used up all are armed anew. Thread-safe.
/// </summary>
internal sealed class UioVectors(IUpuDevice device, DeviceConfigSpace config, IReadOnlyList<VectorInfo> kinds, int ahead)
{
    private readonly Lock _gate = new();
    private VectorKind _kind;
    private EventFdHandle?[]? _armed; // of _kind, by vector; null: no kind is armed
    private int _taken; // vectors that the kernel holds for _kind
    private bool _closed;

    /// <summary>The kinds that a device has.</summary>
    public static IReadOnlyList<VectorInfo> Discover(upu_info info)
    {
        List<VectorInfo> found = [];
        if (info.intx > 0)
            found.Add(new(VectorKind.IntX, 1, CanMask: true, CanGrow: false, AutoMasked: true));
        if (info.msi > 0)
            found.Add(new(VectorKind.Msi, (int)info.msi, CanMask: true, CanGrow: false, AutoMasked: false));
        if (info.msix > 0)
            found.Add(new(VectorKind.MsiX, (int)info.msix, CanMask: true, CanGrow: (info.flags & LibC.UPU_INFO_MSIX_DYNAMIC) != 0, AutoMasked: false));
        return found;
    }

    /// <inheritdoc cref="IPciSession.Arm"/>
    public void Arm(VectorKind kind, int start, IReadOnlyList<EventFdHandle?> eventFds)
    {
        lock (_gate)
        {
            var info = Check(kind, start, eventFds.Count);
            VectorTable.CheckKind(kind, _armed is null ? null : _kind);
            var wanted = _armed is null ? new EventFdHandle?[info.Count] : [.. _armed];
            for (int i = 0; i < eventFds.Count; i++)
                wanted[start + i] = eventFds[i];
            int end = start + eventFds.Count;
            if (wanted.All(e => e is null))
            {
                Release();
                return;
            }

            if (_armed is null)
                Enable(info, start, wanted.AsSpan(start, eventFds.Count), end);
            else if (end <= _taken || info.CanGrow)
                Set(kind, start, wanted.AsSpan(start, eventFds.Count), maximum: 0);
            else
                EnableAgain(info, wanted, end);
            (_kind, _armed, _taken) = (kind, wanted, Math.Max(_taken, end));
        }
    }

    /// <inheritdoc cref="IPciSession.Disarm"/>
    public void Disarm(VectorKind kind)
    {
        lock (_gate)
        {
            CheckOpen();
            if (_kind == kind)
                Release();
        }
    }

    /// <summary>The session is over: the kernel frees vectors as it closes the device.</summary>
    public void Close()
    {
        lock (_gate)
            _closed = true;
    }

    /// <inheritdoc cref="IPciSession.Mask"/>
    public void Mask(VectorKind kind, int vector, bool masked) => Each(kind, vector, 1, masked ? LibC.UPU_IRQ_MASK : LibC.UPU_IRQ_UNMASK);

    /// <inheritdoc cref="IPciSession.Trigger"/>
    public void Trigger(VectorKind kind, int start, int count) => Each(kind, start, count, LibC.UPU_IRQ_TRIGGER);

    /// <inheritdoc cref="IPciSession.SetAffinity"/>
    public void SetAffinity(VectorKind kind, int vector, IReadOnlyList<int> cpus)
    {
        const int Most = 8192; // CPUs that Linux can have (NR_CPUS)

        if (cpus.Count == 0 || cpus.Any(c => c is < 0 or >= Most))
            throw new PciException(Errno.EINVAL, $"[{string.Join(", ", cpus)}] are no CPUs", "Name at least one, as /proc/cpuinfo counts them.");
        var mask = new ulong[(cpus.Max() / 64) + 1];
        foreach (int cpu in cpus)
            mask[cpu / 64] |= 1UL << (cpu % 64);
        lock (_gate)
        {
            Check(kind, vector, 1);
            CheckArmed(kind, vector, 1);
            try
            {
                config.Access(() => device.SetAffinity((uint)vector, mask), failure: null);
            }
            catch (PciException refused) when (refused.Failure is null)
            {
                throw Explained(refused, cpus);
            }
        }
    }

    private static PciException Explained(PciException refused, IReadOnlyList<int> wanted)
    {
        string cpus = string.Join(", ", wanted);
        return refused.Errno switch
        {
            Errno.EPERM => new(refused.Errno, $"Not all of the CPUs {cpus} are this thread's to use", "Name CPUs of the process's own mask (taskset, cgroup cpuset).", inner: refused),
            Errno.EINVAL when CpuList.Impossible(wanted) is { Count: > 0 } none => new(
                refused.Errno,
                $"The machine has no CPU {string.Join(", ", none)}",
                "Name CPUs that it has (/sys/devices/system/cpu/possible).",
                inner: refused),
            Errno.EINVAL => new(refused.Errno, $"None of the CPUs {cpus} is online", "Name one that is (/sys/devices/system/cpu/online).", inner: refused),
            Errno.EIO => new(refused.Errno, $"The interrupt controller cannot send the vector to the CPUs {cpus}", "Leave it where it is.", inner: refused),
            _ => refused,
        };
    }

    private void Each(VectorKind kind, int start, int count, uint action)
    {
        lock (_gate)
        {
            Check(kind, start, count);
            CheckArmed(kind, start, count);
            config.Access(() => device.SetIrqs(Code(kind), action, (uint)start, (uint)count));
        }
    }

    private void Enable(VectorInfo info, int start, ReadOnlySpan<EventFdHandle?> eventFds, int end)
    {
        int take = info.CanGrow ? end : Math.Max(end, Math.Min(info.Count, ahead));
        try
        {
            Set(info.Kind, start, eventFds, take);
        }
        catch (PciException few) when (few.Errno == Errno.ENOSPC && take > end) // fewer than were wanted ahead
        {
            Set(info.Kind, start, eventFds, take = end);
        }

        _taken = take;
    }

    // What the hardware raises between the two calls is lost to the kernel itself; what the eventfds hold stays.
    private void EnableAgain(VectorInfo info, EventFdHandle?[] wanted, int end)
    {
        var before = _armed!;
        Release();
        try
        {
            Enable(info, 0, wanted.AsSpan(0, end), end);
        }
        catch (PciException refused) when (refused.Failure is null)
        {
            int last = Array.FindLastIndex(before, e => e is not null) + 1;
            try
            {
                Enable(info, 0, before.AsSpan(0, last), last);
            }
            catch (PciException lost)
            {
                throw new PciException(lost.Errno, $"{refused.Why}; and the vectors armed before could not be armed again", lost.Fix, SessionFailure.CallFailed, lost);
            }

            (_kind, _armed) = (info.Kind, before);
            throw;
        }
    }

    private void Release()
    {
        if (_armed is null)
            return;
        (_armed, _taken) = (null, 0);
        config.Access(() => device.SetIrqs(Code(_kind), LibC.UPU_IRQ_DISARM, 0, 0));
    }

    private void Set(VectorKind kind, int start, ReadOnlySpan<EventFdHandle?> eventFds, int maximum)
    {
        int count = eventFds.Length;
        try
        {
            VectorTable.With(eventFds, numbers => config.Access(
                () =>
                {
                    device.SetIrqs(Code(kind), LibC.UPU_IRQ_ARM, (uint)start, (uint)count, (uint)maximum, numbers.AsSpan(0, count));
                    return 0;
                },
                failure: null));
        }
        catch (PciException refused) when (refused.Failure is null && refused.Errno is Errno.ENOSPC or Errno.EPERM or Errno.EBUSY)
        {
            throw refused.Errno switch
            {
                Errno.ENOSPC => new(Errno.ENOSPC, $"The host has no {kind} vectors left for {start} to {start + count - 1} of this function", "Arm fewer, or free vectors of other devices.", inner: refused),
                Errno.EPERM => new(
                    Errno.EPERM,
                    $"The platform cannot keep the device from raising others' interrupts, so {kind} is refused",
                    $"Turn interrupt remapping on in the firmware; or, trusting the device, set allow_unsafe_interrupts=1 of the module {UioObstacles.Module}.",
                    inner: refused),
                _ => new PciException(Errno.EBUSY, "The device is powered down, or another kind of vector is armed", "Wake it first.", inner: refused),
            };
        }
    }

    private VectorInfo Check(VectorKind kind, int start, int count)
    {
        CheckOpen();
        return VectorTable.Check(kinds, kind, start, count);
    }

    private void CheckOpen()
    {
        if (_closed)
            throw new PciException(Errno.ENODEV, "The session has ended", "Wait for SessionReady.");
    }

    private void CheckArmed(VectorKind kind, int start, int count) => VectorTable.CheckArmed(_kind == kind ? _armed : null, kind, start, count);

    private static uint Code(VectorKind kind) => kind switch
    {
        VectorKind.IntX => LibC.UPU_IRQ_INTX,
        VectorKind.Msi => LibC.UPU_IRQ_MSI,
        _ => LibC.UPU_IRQ_MSIX,
    };
}
