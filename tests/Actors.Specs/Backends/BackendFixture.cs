using Riser.Actors.Backends;
using Riser.Actors.Dma;

namespace Riser.Actors.Specs.Backends;

/// <summary>One device of one backend for the contract specs. Every backend makes its own; what it lacks is found in the session's own description.</summary>
public abstract class BackendFixture : IDisposable
{
    /// <summary>The backend under test; made once for all specs.</summary>
    public abstract IPciBackend Backend { get; }

    /// <summary>A device that nobody else holds.</summary>
    public abstract DeviceId Device { get; }

    /// <summary>Why no spec can run here; null when they can.</summary>
    public virtual string? SkipReason => null;

    /// <summary>A BAR and an offset of a 32-bit register that keeps what is written; null when the device has none that is harmless.</summary>
    public virtual (int Bar, ulong Offset)? ScratchRegister => null;

    /// <summary>How often a spec that looks for leaks opens the device. Hardware takes a few resets each time.</summary>
    public virtual int Rounds => 100;

    /// <summary>Memory that lies in huge pages of 2 MiB for sure, as far as the backend can tell.</summary>
    public virtual DmaMemoryKind HugePages => DmaMemoryKind.HugeTlb;

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends the backend.</summary>
    protected virtual void Dispose(bool disposing) => Backend.Dispose();
}
