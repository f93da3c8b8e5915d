using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Vfio;

/// <summary>
/// The IOVAs of one IOMMU group, shared by all its functions that are open: what one maps, all can reach, and an overlap
/// is EEXIST whoever mapped it. Each mapping belongs to the session that made it and goes with it. Thread-safe.
/// </summary>
internal sealed class VfioAddressSpace
{
    private readonly IVfioContainer _container;
    private readonly Func<Memlock>? _memlock;
    private readonly MappingLedger _ledger;
    private readonly HashSet<object> _owners = [];
    private readonly Lock _gate = new();

    /// <param name="container">Owned by the group.</param>
    /// <param name="memlock">Looks at the limit of locked memory; null leaves it to the kernel.</param>
    public VfioAddressSpace(IVfioContainer container, Func<Memlock>? memlock)
    {
        _container = container;
        _memlock = memlock;
        Info = InfoChain.Iommu(container.GetInfo(), mapped: 0);
        _ledger = new(Info, "vfio_iommu_type1");
    }

    public IommuInfo Info { get; }

    /// <summary>From now on <paramref name="owner"/> may map.</summary>
    public void Join(object owner)
    {
        lock (_gate)
            _owners.Add(owner);
    }

    /// <summary>Takes away all that <paramref name="owner"/> mapped and refuses it from now on.</summary>
    /// <returns>What the kernel would not unmap; it goes when the container is closed.</returns>
    public IReadOnlyList<Exception> Leave(object owner)
    {
        lock (_gate)
        {
            _owners.Remove(owner);
            List<Exception> faults = [];
            foreach (var range in _ledger.Of(owner))
            {
                try
                {
                    Take(range);
                }
                catch (PciException fault)
                {
                    faults.Add(fault);
                }
            }

            return faults;
        }
    }

    /// <inheritdoc cref="IPciSession.Map"/>
    public void Map(object owner, IReadOnlyList<DmaPiece> pieces)
    {
        lock (_gate)
        {
            CheckOwner(owner);
            _ledger.Check(pieces);
            ulong bytes = 0;
            foreach (var piece in pieces)
                bytes = checked(bytes + piece.Host.Size);
            if (bytes >= Memlock.WorthALook && _memlock?.Invoke().Refusal(bytes) is { } refusal)
                throw refusal;

            int done = 0;
            try
            {
                for (; done < pieces.Count; done++)
                    _container.Map(pieces[done].Iova, pieces[done].Host.Address, pieces[done].Host.Size, Flags(pieces[done].Access));
            }
            catch (NativeException fault)
            {
                var refused = Refused(pieces[done], fault, pieces.Skip(done));
                for (int i = done - 1; i >= 0; i--)
                    RollBack(owner, pieces[i].Range, refused);
                throw refused;
            }

            foreach (var piece in pieces)
                _ledger.Add(owner, piece.Range);
        }
    }

    /// <inheritdoc cref="IPciSession.Unmap"/>
    public void Unmap(object owner, IovaRange range)
    {
        lock (_gate)
        {
            CheckOwner(owner);
            _ledger.CheckExact(owner, range);
            Take(range);
        }
    }

    private void Take(IovaRange range)
    {
        ulong unmapped;
        try
        {
            unmapped = _container.Unmap(range.Start, range.Size);
        }
        catch (NativeException fault)
        {
            throw StillMapped(range, fault.Errno, fault);
        }

        // The kernel answers 0 to an unmap that removed nothing; only the size says that the device cannot reach it.
        if (unmapped != range.Size)
            throw StillMapped(range, Errno.EIO, new NativeException("VFIO_IOMMU_UNMAP_DMA", Errno.EIO, $"{unmapped} of {range.Size} bytes unmapped"));
        _ledger.Remove(range);
    }

    private void RollBack(object owner, IovaRange range, PciException because)
    {
        _ledger.Add(owner, range);
        try
        {
            Take(range);
        }
        catch (PciException left)
        {
            throw new PciException(left.Errno, $"{because.Why}; and {left.Why}", left.Fix, left.Failure, because);
        }
    }

    private PciException Refused(DmaPiece piece, NativeException fault, IEnumerable<DmaPiece> left) => fault.Errno switch
    {
        Errno.ENOMEM => Memlock.Now().Explain(left.Aggregate(0UL, (sum, p) => sum + p.Host.Size), fault),
        Errno.ENOSPC => new(Errno.ENOSPC, $"The kernel has no room for another piece beside the {_ledger.Count} mapped ones", "Map fewer and larger pieces, or raise dma_entry_limit of the module vfio_iommu_type1.", inner: fault),
        Errno.EEXIST => new(Errno.EEXIST, $"{piece.Range} overlaps a mapping or a reserved range of the group", "Choose another IOVA.", inner: fault),
        Errno.EFAULT => new(Errno.EFAULT, $"Memory {piece.Host} cannot be pinned{(piece.Access.HasFlag(DmaAccess.DeviceWrites) ? " for writing" : "")}", "Map memory that is there, writable where the device writes, until it is unmapped from the device.", inner: fault),
        Errno.EINVAL => new(Errno.EINVAL, $"The kernel refuses {piece.Range} for memory {piece.Host}", "Check alignment and aperture (IommuInfo).", inner: fault),
        _ => new(fault.Errno, $"{fault.Call} failed for {piece.Range}", "The kernel's log may say more.", SessionFailure.CallFailed, fault),
    };

    private void CheckOwner(object owner)
    {
        if (!_owners.Contains(owner))
            throw DeviceFaults.Ended($"{owner}");
    }

    private static PciException StillMapped(IovaRange range, Errno errno, Exception inner) =>
        new(errno, $"The kernel did not unmap {range} whole; the device may still reach it", "The session has to end; closing it takes everything away.", SessionFailure.CallFailed, inner);

    private static uint Flags(DmaAccess access) =>
        (access.HasFlag(DmaAccess.DeviceReads) ? LibC.VFIO_DMA_MAP_FLAG_READ : 0) | (access.HasFlag(DmaAccess.DeviceWrites) ? LibC.VFIO_DMA_MAP_FLAG_WRITE : 0);
}
