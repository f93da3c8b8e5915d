using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Uio;

/// <inheritdoc/>
internal sealed class UioVectors(IUpuDevice device, DeviceConfigSpace config, IReadOnlyList<VectorInfo> kinds, int ahead)
    : HardwareVectors(config, kinds, ahead)
{
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

    protected override int Take(VectorKind kind, EventFdHandle?[] wanted, int end, int ahead)
    {
        try
        {
            Set(kind, 0, wanted.AsSpan(0, end), ahead);
            return ahead;
        }
        catch (PciException few) when (few.Errno == Errno.ENOSPC && ahead > end) // fewer than were wanted ahead
        {
            Set(kind, 0, wanted.AsSpan(0, end), end);
            return end;
        }
    }

    protected override void Connect(VectorKind kind, int start, ReadOnlySpan<EventFdHandle?> eventFds) => Set(kind, start, eventFds, maximum: 0);

    protected override void Free(VectorKind kind) => device.SetIrqs(Code(kind), LibC.UPU_IRQ_DISARM, 0, 0);

    protected override void SetMask(VectorKind kind, int vector, bool masked) =>
        device.SetIrqs(Code(kind), masked ? LibC.UPU_IRQ_MASK : LibC.UPU_IRQ_UNMASK, (uint)vector, 1);

    protected override void Raise(VectorKind kind, int start, int count) => device.SetIrqs(Code(kind), LibC.UPU_IRQ_TRIGGER, (uint)start, (uint)count);

    protected override void Steer(int vector, IReadOnlyList<int> cpus)
    {
        const int Most = 8192; // CPUs that Linux can have (NR_CPUS)

        if (cpus.Count == 0 || cpus.Any(c => c is < 0 or >= Most))
            throw new PciException(Errno.EINVAL, $"[{string.Join(", ", cpus)}] are no CPUs", "Name at least one, as /proc/cpuinfo counts them.");
        var mask = new ulong[(cpus.Max() / 64) + 1];
        foreach (int cpu in cpus)
            mask[cpu / 64] |= 1UL << (cpu % 64);
        try
        {
            Config.Access(() => device.SetAffinity((uint)vector, mask), failure: null);
        }
        catch (PciException refused) when (refused.Failure is null)
        {
            throw Explained(refused, cpus);
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
            Errno.EBUSY => new(refused.Errno, "The device is powered down", "Wake it first.", inner: refused),
            Errno.EOPNOTSUPP => new(refused.Errno, "Other devices share the interrupt line, and would move with it", "Use MSI or MSI-X.", inner: refused),
            Errno.EIO => new(refused.Errno, $"The interrupt controller cannot send the vector to the CPUs {cpus}", "Leave it where it is.", inner: refused),
            _ => refused,
        };
    }

    private void Set(VectorKind kind, int start, ReadOnlySpan<EventFdHandle?> eventFds, int maximum)
    {
        int count = eventFds.Length;
        try
        {
            VectorTable.With(eventFds, numbers => Config.Access(
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

    private static uint Code(VectorKind kind) => kind switch
    {
        VectorKind.IntX => LibC.UPU_IRQ_INTX,
        VectorKind.Msi => LibC.UPU_IRQ_MSI,
        _ => LibC.UPU_IRQ_MSIX,
    };
}
