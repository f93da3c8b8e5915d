using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Hardware;

/// <summary>
/// The vectors of an opened device. Vectors that are added later disturb none; where the kernel cannot add any to enabled ones, a few
/// unconnected ones are taken ahead at the first arming, and when those are used up all are armed anew in one call. What the eventfds hold
/// already stays. (What the hardware raises between the two calls of such a re-arming is lost to the kernel itself.) Thread-safe.
/// </summary>
/// <param name="config">Says what a refused call means.</param>
/// <param name="kinds">What the device has.</param>
/// <param name="ahead">How many vectors are taken at the first arming where the kernel cannot add any.</param>
internal abstract class HardwareVectors(DeviceConfigSpace config, IReadOnlyList<VectorInfo> kinds, int ahead)
{
    private readonly Lock _gate = new();
    private VectorKind _kind;
    private EventFdHandle?[]? _armed; // of _kind, by vector; null: no kind is armed
    private readonly Dictionary<int, IReadOnlyList<int>> _cpus = []; // of vectors that were steered
    private readonly HashSet<int> _masked = [];
    private int _taken; // vectors that the kernel holds for _kind
    private bool _closed;

    protected DeviceConfigSpace Config => config;

    /// <inheritdoc cref="IPciSession.Arm"/>
    public void Arm(VectorKind kind, int start, IReadOnlyList<EventFdHandle?> eventFds)
    {
        lock (_gate)
        {
            var info = Check(kind, start, eventFds.Count);
            if (_armed is not null && _kind != kind)
                throw new PciException(Errno.EINVAL, $"{kind} cannot be armed while {_kind} is", $"Disarm {_kind} first; a function uses one kind at a time.");
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
                Take(info, wanted, end);
            else if (end <= _taken || info.CanGrow)
                Connect(kind, start, wanted.AsSpan(start, eventFds.Count));
            else
                TakeAgain(info, wanted, end);
            (_kind, _armed, _taken) = (kind, wanted, Math.Max(_taken, end));
            for (int i = start; i < end; i++)
            {
                if (wanted[i] is null)
                    Forget(i);
            }
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

    /// <summary>Disarms what is armed; nothing can be armed again.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            Release();
        }
    }

    /// <inheritdoc cref="IPciSession.Mask"/>
    public void Mask(VectorKind kind, int vector, bool masked)
    {
        lock (_gate)
        {
            if (!Check(kind, vector, 1).CanMask)
                throw new PciException(Errno.EOPNOTSUPP, $"The kernel cannot mask {kind} vectors of this device in hardware", "Mask the vector in the runtime: nothing is lost there.");
        }

        OfArmed(kind, vector, 1, () =>
        {
            config.Access(() => SetMask(kind, vector, masked));
            if (masked)
                _masked.Add(vector);
            else
                _masked.Remove(vector);
        });
    }

    /// <inheritdoc cref="IPciSession.Trigger"/>
    public void Trigger(VectorKind kind, int start, int count) => OfArmed(kind, start, count, () => config.Access(() => Raise(kind, start, count)));

    /// <inheritdoc cref="IPciSession.SetAffinity"/>
    public void SetAffinity(VectorKind kind, int vector, IReadOnlyList<int> cpus) => OfArmed(kind, vector, 1, () =>
    {
        Steer(vector, cpus);
        _cpus[vector] = [.. cpus];
    });

    /// <summary>Has the kernel take the vectors before <paramref name="end"/>, and if it can those before <paramref name="ahead"/>, and connects them.</summary>
    /// <param name="kind">None is armed.</param>
    /// <param name="wanted">By vector; null: not connected.</param>
    /// <param name="end">How many are needed.</param>
    /// <param name="ahead">How many are wanted, as many as <paramref name="end"/> or more.</param>
    /// <returns>How many were taken.</returns>
    /// <exception cref="PciException">ENOSPC: the host has fewer than are needed.</exception>
    protected abstract int Take(VectorKind kind, EventFdHandle?[] wanted, int end, int ahead);

    /// <summary>Connects vectors of a kind that is armed.</summary>
    protected abstract void Connect(VectorKind kind, int start, ReadOnlySpan<EventFdHandle?> eventFds);

    /// <summary>Gives all vectors of the kind back.</summary>
    protected abstract void Free(VectorKind kind);

    protected abstract void SetMask(VectorKind kind, int vector, bool masked);

    protected abstract void Raise(VectorKind kind, int start, int count);

    /// <summary>Lets an armed vector be handled on these CPUs alone.</summary>
    protected virtual void Steer(int vector, IReadOnlyList<int> cpus) => throw new PciException(
        Errno.EOPNOTSUPP,
        "This backend cannot say where a vector's interrupts are handled",
        "Bind the device to uio_pci_user, or write to /proc/irq/<number>/smp_affinity as root.");

    /// <summary>Does something with vectors, if they are all armed, before they can be disarmed.</summary>
    /// <exception cref="PciException">EINVAL: not all of them are armed.</exception>
    private void OfArmed(VectorKind kind, int start, int count, Action call)
    {
        lock (_gate)
        {
            Check(kind, start, count);
            if (_armed is null || _kind != kind || _armed.AsSpan(start, count).Contains(null))
                throw new PciException(Errno.EINVAL, $"Not all of {count} {kind} vectors from {start} are armed", "Arm them first.");
            call();
        }
    }

    private void Take(VectorInfo info, EventFdHandle?[] wanted, int end) =>
        _taken = Take(info.Kind, wanted, end, info.CanGrow ? end : Math.Max(end, Math.Min(info.Count, ahead)));

    private void TakeAgain(VectorInfo info, EventFdHandle?[] wanted, int end)
    {
        // What the kernel and the device keep for a masked vector would go with it.
        if (_masked.Count > 0)
            throw new PciException(Errno.EBUSY, $"More {info.Kind} vectors need all of them armed anew, and vector {_masked.Min()} is masked", "Unmask it first, or arm all vectors at once.");
        var before = _armed!;
        var steered = _cpus.ToArray();
        Release();
        try
        {
            Take(info, wanted, end);
            Steer(steered);
        }
        catch (PciException refused) when (refused.Failure is null)
        {
            try
            {
                Take(info, before, Array.FindLastIndex(before, e => e is not null) + 1);
                Steer(steered);
            }
            catch (PciException lost)
            {
                throw new PciException(lost.Errno, $"{refused.Why}; and the vectors armed before could not be armed again", lost.Fix, SessionFailure.CallFailed, lost);
            }

            _armed = before;
            throw;
        }
    }

    // A CPU may have gone meanwhile; then the kernel's choice holds, as for a vector that was never steered.
    private void Steer(KeyValuePair<int, IReadOnlyList<int>>[] steered)
    {
        foreach (var (vector, cpus) in steered)
        {
            try
            {
                Steer(vector, cpus);
                _cpus[vector] = cpus;
            }
            catch (PciException refused) when (refused.Failure is null)
            {
                System.Diagnostics.Trace.TraceWarning($"Vector {vector} was armed anew: {refused.Message}");
            }
        }
    }

    private void Forget(int vector)
    {
        _cpus.Remove(vector);
        _masked.Remove(vector);
    }

    private void Release()
    {
        if (_armed is null)
            return;
        (_armed, _taken) = (null, 0);
        _cpus.Clear();
        _masked.Clear();
        config.Access(() => Free(_kind));
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
}
