using Riser.Actors.Interop;
using Riser.Actors.Reactor;

namespace Riser.Actors.Backends.Simulation;

/// <summary>
/// One piece behind the simulated IOMMU, and what keeps its memory ours.
/// A piece with a memory file is pinned by a second mapping of it: pages that the program drops stay with the IOMMU, and
/// never become another's. Other memory cannot be pinned from userspace: it is reached by address, through the kernel,
/// and watched where the kernel can (userfaultfd); when it is unmapped the mapping is dropped. Between the unmapping and its report (microseconds, while
/// the unmapping thread sleeps in the kernel) another thread's new mapping could take the address: the one window that a
/// simulation cannot close.
/// </summary>
internal sealed class SimulatedMapping : IDisposable
{
    private readonly LockedMemory _locked;
    private readonly MemoryMapping? _pin;
    private volatile bool _gone;
    private IDisposable? _watch;

    private SimulatedMapping(DmaPiece piece, LockedMemory locked, MemoryMapping? pin)
    {
        Piece = piece;
        _locked = locked;
        _pin = pin;
        Address = pin is null ? piece.Host.Address : (ulong)pin.Address;
    }

    public DmaPiece Piece { get; }

    /// <summary>Where the IOMMU reaches the first byte.</summary>
    public ulong Address { get; }

    /// <summary>The memory is not there any more; every DMA is refused.</summary>
    public bool Gone => _gone;

    /// <summary>The memory went away: from now on every DMA is refused.</summary>
    public void Drop() => _gone = true;

    /// <param name="piece">Already checked for its numbers.</param>
    /// <param name="locked">What the memory is charged to.</param>
    /// <exception cref="PciException">ENOMEM: over the limit; EFAULT: memory that is not there or not writable.</exception>
    public static SimulatedMapping Pin(DmaPiece piece, LockedMemory locked)
    {
        locked.Charge(piece.Host.Size);
        MemoryMapping? pin = null;
        try
        {
            bool write = piece.Access.HasFlag(DmaAccess.DeviceWrites);
            pin = piece.Memfd is null ? null : TryPin(piece, write);
            var mapping = new SimulatedMapping(piece, locked, pin);
            if (pin is null)
                mapping._watch = Watch(piece.Host, mapping);
            if (HostMemory.TryPopulate(mapping.Address, piece.Host.Size, write) && !mapping._gone)
                return mapping;
            mapping._watch?.Dispose();
            throw new PciException(Errno.EFAULT, $"Memory {piece.Host} cannot be pinned{(write ? " for writing" : "")}", "Map memory that is mapped in this process and allows the access.");
        }
        catch
        {
            pin?.Dispose();
            locked.Release(piece.Host.Size);
            throw;
        }
    }

    /// <summary>Lets go of the memory. Not under a device's lock: unmapping watched memory waits for the watcher, who may want that lock.</summary>
    public void Dispose()
    {
        _watch?.Dispose();
        _pin?.Dispose();
        _locked.Release(Piece.Host.Size);
    }

    // A memory file that is sealed against new writers refuses a second mmap, but not a duplicate of the first.
    private static MemoryMapping? TryPin(DmaPiece piece, bool write)
    {
        try
        {
            int protection = LibC.PROT_READ | (write ? LibC.PROT_WRITE : 0);
            return MemoryMapping.Create((nuint)piece.Host.Size, protection, LibC.MAP_SHARED, piece.Memfd!.Number, (long)piece.MemfdOffset);
        }
        catch (NativeException refused) when (refused.Errno is Errno.EPERM or Errno.EACCES)
        {
            return MemoryMapping.TryDuplicate((nint)piece.Host.Address, (nuint)piece.Host.Size);
        }
    }

    // On the watcher's thread, without a lock: a DMA that is under way writes to addresses that are not there, and is refused.
    private static IDisposable? Watch(HostRange range, SimulatedMapping mapping)
    {
        if (!MemoryWatch.IsSupported(out _))
            return null;
        try
        {
            return MemoryWatch.Shared.Watch(range, mapping, static (mapping, _) => ((SimulatedMapping)mapping).Drop());
        }
        catch (NativeException refused)
        {
            throw new PciException(Errno.EFAULT, $"Memory {range} cannot be pinned: it cannot be watched ({refused.Message})", "Map memory that is mapped in this process and is anonymous or a memory file.", inner: refused);
        }
    }
}
