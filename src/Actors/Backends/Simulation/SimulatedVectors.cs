using System.Collections;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Simulation;

/// <summary>
/// The interrupts of one simulated device: which kind is armed, with which eventfds, what is masked and what pends.
/// Counts are exact and go on over sessions. Not thread-safe: the device's lock covers it.
/// </summary>
internal sealed class SimulatedVectors(IReadOnlyList<VectorInfo> kinds, long[] triggered)
{
    private EventFdHandle?[] _eventFds = [];
    private BitArray _masked = new(0);
    private BitArray _pending = new(0);

    /// <summary>The kind that is armed; null for none.</summary>
    public VectorKind? Armed { get; private set; }

    /// <summary>How many vectors the armed kind has; 0 for none.</summary>
    public int Count => _eventFds.Length;

    /// <summary>INTx is held back by the COMMAND register.</summary>
    public bool IntxDisabled { get; private set; }

    /// <summary>Vectors that have an eventfd, in order.</summary>
    public IReadOnlyList<int> Connected => [.. Enumerable.Range(0, _eventFds.Length).Where(v => _eventFds[v] is not null)];

    public void Arm(VectorKind kind, int start, IReadOnlyList<EventFdHandle?> eventFds)
    {
        var info = Kind(kind);
        CheckRange(info, start, eventFds.Count);
        if (Armed is { } other && other != kind)
            throw new PciException(Errno.EINVAL, $"{other} is armed; a function signals by one kind of interrupt at a time", $"Disarm {other} first.");
        if (Armed is null)
        {
            Armed = kind;
            _eventFds = new EventFdHandle?[info.Count];
            _masked = new(info.Count);
            _pending = new(info.Count);
        }

        for (int i = 0; i < eventFds.Count; i++)
            Connect(ref _eventFds[start + i], eventFds[i]);
    }

    public void Disarm(VectorKind kind)
    {
        Kind(kind);
        if (Armed != kind)
            return;
        for (int vector = 0; vector < _eventFds.Length; vector++)
            Connect(ref _eventFds[vector], null);
        (Armed, _eventFds, _masked, _pending) = (null, [], new(0), new(0));
    }

    public void Mask(VectorKind kind, int vector, bool masked)
    {
        var info = Kind(kind);
        if (!info.CanMask)
            throw new PciException(Errno.EOPNOTSUPP, $"{kind} vectors of this device cannot be masked in hardware", "Mask in the runtime.");
        CheckArmed(info, vector, 1);
        _masked[vector] = masked;
        Flush(vector);
    }

    /// <summary>Software's own trigger: needs no bus mastering.</summary>
    public void Trigger(VectorKind kind, int start, int count)
    {
        CheckArmed(Kind(kind), start, count);
        for (int vector = start; vector < start + count; vector++)
            Raise(vector, 1);
    }

    /// <summary>The device interrupts. Returns how often an eventfd was signalled: 0 where nobody listens or a mask holds it back.</summary>
    public int Raise(int vector, int times)
    {
        if ((uint)vector >= (uint)_eventFds.Length || _eventFds[vector] is not { } eventFd || times <= 0)
            return 0;
        if (Held(vector))
        {
            _pending[vector] = true;
            return 0;
        }

        bool level = Armed == VectorKind.IntX;
        int signals = level ? 1 : times;
        triggered[vector] += signals;
        eventFd.Signal(signals);
        if (level)
            _masked[vector] = true;
        return signals;
    }

    public void DisableIntx(bool disabled)
    {
        IntxDisabled = disabled;
        if (Armed == VectorKind.IntX)
            Flush(0);
    }

    /// <summary>A reset takes back what was asked for and not sent.</summary>
    public void ClearPending() => _pending.SetAll(false);

    public bool IsPending(int vector) => (uint)vector < (uint)_pending.Length && _pending[vector];

    public bool IsMasked(int vector) => (uint)vector < (uint)_masked.Length && _masked[vector];

    private bool Held(int vector) => _masked[vector] || (Armed == VectorKind.IntX && IntxDisabled);

    private void Flush(int vector)
    {
        if (!_pending[vector] || Held(vector))
            return;
        _pending[vector] = false;
        Raise(vector, 1);
    }

    // A reference keeps the caller's descriptor number from being reused while the device may write to it.
    internal static void Connect(ref EventFdHandle? slot, EventFdHandle? eventFd)
    {
        bool added = false;
        eventFd?.DangerousAddRef(ref added);
        slot?.DangerousRelease();
        slot = eventFd;
    }

    private VectorInfo Kind(VectorKind kind) => kinds.FirstOrDefault(k => k.Kind == kind)
        ?? throw new PciException(Errno.EINVAL, $"The device has no {kind} interrupts", $"Use {string.Join(" or ", kinds.Select(k => k.Kind))}.");

    private void CheckArmed(VectorInfo kind, int start, int count)
    {
        CheckRange(kind, start, count);
        for (int vector = start; vector < start + count; vector++)
        {
            if (Armed != kind.Kind || _eventFds[vector] is null)
                throw new PciException(Errno.EINVAL, $"{kind.Kind} vector {vector} is not armed", "Arm it first.");
        }
    }

    private static void CheckRange(VectorInfo kind, int start, int count)
    {
        if (start < 0 || count < 1 || start > kind.Count - count)
            throw new PciException(Errno.EINVAL, $"{kind.Kind} vectors {start} to {start + (long)count - 1} are not all among the device's {kind.Count}", $"Use vectors 0 to {kind.Count - 1}.");
    }
}
