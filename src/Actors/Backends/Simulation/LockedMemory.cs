namespace Riser.Actors.Backends.Simulation;

/// <summary>The simulated RLIMIT_MEMLOCK: bytes that all sessions of the backend hold, against what is allowed. Thread-safe.</summary>
/// <param name="limit">Bytes; null for no limit.</param>
internal sealed class LockedMemory(ulong? limit)
{
    private readonly Lock _sync = new();
    private ulong _used;

    /// <summary>Bytes held now.</summary>
    public ulong Used
    {
        get
        {
            lock (_sync)
                return _used;
        }
    }

    /// <exception cref="PciException">ENOMEM: it would be over the limit.</exception>
    public void Charge(ulong size)
    {
        lock (_sync)
        {
            if (limit is { } allowed && (size > allowed || _used > allowed - size))
                throw new PciException(Errno.ENOMEM, $"Mapping {size} bytes more would lock {_used + size} bytes, but {allowed} are allowed", "Raise riser.backends.sim.iommu.memlock or unmap some memory.");
            _used += size;
        }
    }

    public void Release(ulong size)
    {
        lock (_sync)
            _used -= size;
    }
}
