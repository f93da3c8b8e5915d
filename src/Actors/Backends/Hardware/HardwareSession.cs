using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Hardware;

/// <summary>
/// What sessions of real devices have in common: registers, configuration space and vectors of an opened device file, and an end that comes once.
/// Memory and the way a session ends are each backend's own.
/// </summary>
/// <param name="address">The device, for messages.</param>
internal abstract class HardwareSession(string address) : IPciSession
{
    private int _ended;

    public abstract SessionInfo Info { get; }

    protected string Address => address;

    protected abstract DeviceConfigSpace Config { get; }

    protected abstract DeviceBars Bars { get; }

    protected abstract HardwareVectors Vectors { get; }

    public Bar Bar(int index)
    {
        CheckOpen();
        return Bars[index];
    }

    public ulong ReadConfig(int offset, int width)
    {
        CheckOpen();
        return Config.Read(offset, width);
    }

    public void WriteConfig(int offset, int width, ulong value)
    {
        CheckOpen();
        Config.Write(offset, width, value);
    }

    public abstract IReadOnlyList<IovaRange>? Map(IReadOnlyList<DmaPiece> pieces);

    public abstract void Unmap(IovaRange range);

    void IPciSession.Arm(VectorKind kind, int start, IReadOnlyList<EventFdHandle?> eventFds)
    {
        CheckOpen();
        Vectors.Arm(kind, start, eventFds);
    }

    public void Disarm(VectorKind kind)
    {
        CheckOpen();
        Vectors.Disarm(kind);
    }

    public void Mask(VectorKind kind, int vector, bool masked)
    {
        CheckOpen();
        Vectors.Mask(kind, vector, masked);
    }

    public void Trigger(VectorKind kind, int start, int count)
    {
        CheckOpen();
        Vectors.Trigger(kind, start, count);
    }

    public void SetAffinity(VectorKind kind, int vector, IReadOnlyList<int> cpus)
    {
        CheckOpen();
        Vectors.SetAffinity(kind, vector, cpus);
    }

    void IPciSession.Connect(SessionNotice notice, EventFdHandle? eventFd) => Connect(notice, eventFd);

    public abstract IReadOnlyList<Invalidation> TakeInvalidations();

    public void SetBusMaster(bool enabled)
    {
        CheckOpen();
        Config.SetBusMaster(enabled);
    }

    public abstract bool Reset();

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
            End();
    }

    /// <inheritdoc/>
    public override string ToString() => address;

    /// <inheritdoc cref="IPciSession.Connect"/>
    protected abstract void Connect(SessionNotice notice, EventFdHandle? eventFd);

    /// <summary>Takes everything down, once.</summary>
    protected abstract void End();

    /// <exception cref="PciException">ENODEV: the session has ended.</exception>
    protected void CheckOpen()
    {
        if (Volatile.Read(ref _ended) != 0)
            throw DeviceFaults.Ended(address);
    }

    /// <summary>A step of the end: when it fails the next happens all the same, and the kernel undoes at close what it could not.</summary>
    protected static void Step(Action step)
    {
        try
        {
            step();
        }
        catch (Exception fault) when (fault is PciException or NativeException or ObjectDisposedException)
        {
            System.Diagnostics.Trace.TraceWarning($"Ending a session: {fault.Message}");
        }
    }
}
