using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Vfio;

/// <summary>
/// The vectors of an opened device. Where the kernel cannot add vectors to enabled ones (NORESIZE), the first call takes
/// a few unconnected ones ahead, so that adding seldom means arming anew; when it does, all are armed in one call, and
/// what the eventfds hold already stays. (What the hardware raises between the two calls of such a re-arming is lost to
/// the kernel itself.) Thread-safe.
/// </summary>
internal sealed class VfioVectors(IVfioDevice device, DeviceConfigSpace config, IReadOnlyList<VectorInfo> kinds, int ahead)
{
    private const uint Connect = LibC.VFIO_IRQ_SET_DATA_EVENTFD | LibC.VFIO_IRQ_SET_ACTION_TRIGGER;
    private const uint Now = LibC.VFIO_IRQ_SET_DATA_NONE;

    private readonly Lock _gate = new();
    private VectorKind _kind;
    private EventFdHandle?[]? _armed; // of _kind, by vector; null: no kind is armed
    private int _enabled; // vectors that the kernel has allocated for _kind
    private bool _closed;

    /// <summary>The kinds that a device has.</summary>
    public static IReadOnlyList<VectorInfo> Discover(IVfioDevice device)
    {
        List<VectorInfo> found = [];
        foreach (var kind in Enum.GetValues<VectorKind>())
        {
            var info = device.GetIrqInfo(Index(kind));
            if (info.count == 0 || (info.flags & LibC.VFIO_IRQ_INFO_EVENTFD) == 0)
                continue;
            found.Add(new(
                kind,
                (int)info.count,
                CanMask: (info.flags & LibC.VFIO_IRQ_INFO_MASKABLE) != 0,
                CanGrow: (info.flags & LibC.VFIO_IRQ_INFO_NORESIZE) == 0,
                AutoMasked: (info.flags & LibC.VFIO_IRQ_INFO_AUTOMASKED) != 0));
        }

        return found;
    }

    /// <inheritdoc cref="IPciSession.Arm"/>
    public void Arm(VectorKind kind, int start, IReadOnlyList<EventFdHandle?> eventFds)
    {
        lock (_gate)
        {
            var info = Check(kind, start, eventFds.Count);
            VectorTable.CheckKind(kind, _armed is null ? null : _kind);
            int end = start + eventFds.Count;
            var wanted = _armed is null ? new EventFdHandle?[info.Count] : [.. _armed];
            for (int i = 0; i < eventFds.Count; i++)
                wanted[start + i] = eventFds[i];

            if (_armed is null)
                Enable(info, wanted, end);
            else if (end <= _enabled || info.CanGrow)
                Set(kind, start, wanted.AsSpan(start, eventFds.Count));
            else
                EnableAgain(info, wanted, end);
            (_kind, _armed, _enabled) = (kind, wanted, Math.Max(_enabled, end));
        }
    }

    /// <inheritdoc cref="IPciSession.Disarm"/>
    public void Disarm(VectorKind kind)
    {
        lock (_gate)
        {
            CheckOpen();
            if (_armed is not null && _kind == kind)
                Disable();
        }
    }

    /// <summary>Disarms what is armed; nothing can be armed again.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            if (_armed is not null)
                Disable();
        }
    }

    /// <inheritdoc cref="IPciSession.Mask"/>
    public void Mask(VectorKind kind, int vector, bool masked)
    {
        lock (_gate)
        {
            if (!Check(kind, vector, 1).CanMask)
                throw new PciException(Errno.EOPNOTSUPP, $"VFIO cannot mask {kind} vectors in hardware", "Mask the vector in the runtime: nothing is lost there.");
            CheckArmed(kind, vector, 1);
            uint action = masked ? LibC.VFIO_IRQ_SET_ACTION_MASK : LibC.VFIO_IRQ_SET_ACTION_UNMASK;
            config.Access(() => device.SetIrqs(Index(kind), Now | action, (uint)vector, 1));
        }
    }

    /// <inheritdoc cref="IPciSession.Trigger"/>
    public void Trigger(VectorKind kind, int start, int count)
    {
        lock (_gate)
        {
            Check(kind, start, count);
            CheckArmed(kind, start, count);
            config.Access(() => device.SetIrqs(Index(kind), Now | LibC.VFIO_IRQ_SET_ACTION_TRIGGER, (uint)start, (uint)count));
        }
    }

    private void Enable(VectorInfo info, EventFdHandle?[] wanted, int end)
    {
        int take = info.CanGrow ? end : Math.Max(end, Math.Min(info.Count, ahead));
        int there = Set(info.Kind, 0, wanted.AsSpan(0, take));
        if (there >= end && there < take) // fewer than were wanted ahead, but enough
            there = Set(info.Kind, 0, wanted.AsSpan(0, take = there));
        if (there > 0)
            throw new PciException(Errno.ENOSPC, $"The host has {there} {info.Kind} vectors left for this function, {end} are needed", "Arm fewer, or free vectors of other devices.");
        _enabled = take;
    }

    private void EnableAgain(VectorInfo info, EventFdHandle?[] wanted, int end)
    {
        var before = _armed!;
        Disable();
        try
        {
            Enable(info, wanted, end);
        }
        catch (PciException refused) when (refused.Failure != SessionFailure.SurpriseRemoval)
        {
            int last = Array.FindLastIndex(before, e => e is not null) + 1;
            try
            {
                Enable(info, before, Math.Max(last, 1));
            }
            catch (PciException lost)
            {
                throw new PciException(lost.Errno, $"{refused.Why}; and the vectors armed before could not be armed again", lost.Fix, SessionFailure.CallFailed, lost);
            }

            (_kind, _armed) = (info.Kind, before);
            throw;
        }
    }

    private void Disable()
    {
        (_armed, _enabled) = (null, 0);
        config.Access(() => device.SetIrqs(Index(_kind), Now | LibC.VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0));
    }

    private int Set(VectorKind kind, int start, ReadOnlySpan<EventFdHandle?> eventFds)
    {
        int count = eventFds.Length;
        return VectorTable.With(eventFds, numbers =>
            config.Access(() => device.SetIrqs(Index(kind), Connect, (uint)start, (uint)count, numbers.AsSpan(0, count)), failure: null));
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

    private static uint Index(VectorKind kind) => kind switch
    {
        VectorKind.IntX => LibC.VFIO_PCI_INTX_IRQ_INDEX,
        VectorKind.Msi => LibC.VFIO_PCI_MSI_IRQ_INDEX,
        _ => LibC.VFIO_PCI_MSIX_IRQ_INDEX,
    };
}
