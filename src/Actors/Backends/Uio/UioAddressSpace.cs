using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Uio;

/// <summary>
/// The IOVAs of one function. The module unmaps memory that goes away by itself; such a piece stays in the account until it is unmapped
/// here too, so that both ends agree on every IOVA. Without an IOMMU the module unmaps nothing by itself: what is pinned stays so until it is unmapped
/// here, or the session ends. Thread-safe.
/// </summary>
internal sealed class UioAddressSpace
{
    private readonly IUpuDevice _device;
    private readonly DeviceConfigSpace _config;
    private readonly Func<Memlock>? _memlock;
    private readonly MappingLedger _ledger;
    private readonly HashSet<IovaRange> _gone = []; // told already
    private readonly Lock _gate = new();
    private bool _closed;

    /// <param name="device">Owned by the session.</param>
    /// <param name="config">Says what an ENODEV means.</param>
    /// <param name="info">What <see cref="Describe"/> gave.</param>
    /// <param name="memlock">Looks at the limit of locked memory; null leaves it to the kernel.</param>
    public UioAddressSpace(IUpuDevice device, DeviceConfigSpace config, IommuInfo info, Func<Memlock>? memlock)
    {
        (_device, _config, Info, _memlock) = (device, config, info, memlock);
        _ledger = new(info, UioObstacles.Module);
    }

    public IommuInfo Info { get; }

    /// <summary>The aperture, less what is reserved in it.</summary>
    public static IommuInfo Describe(upu_info info, IReadOnlyList<upu_range> reserved)
    {
        bool present = (info.flags & LibC.UPU_INFO_IOMMU) != 0;
        List<IovaRange> ranges = [];
        ulong next = info.aperture_start;
        bool more = present;
        foreach (var gap in reserved.OrderBy(r => r.start))
        {
            if (gap.last < next || gap.start > info.aperture_last || !more)
                continue;
            if (gap.start > next)
                ranges.Add(Range(next, gap.start - 1));
            more = gap.last < info.aperture_last;
            next = more ? gap.last + 1 : 0;
        }

        if (more)
            ranges.Add(Range(next, info.aperture_last));
        return new(present, info.page_sizes, ranges, (int)Math.Min(info.dma_maximum, int.MaxValue), Notifies: present);
    }

    /// <inheritdoc cref="IPciSession.Map"/>
    public IReadOnlyList<IovaRange>? Map(IReadOnlyList<DmaPiece> pieces)
    {
        lock (_gate)
        {
            CheckOpen();
            _ledger.Check(pieces);
            ulong locks = 0; // buffers were counted when they were made
            foreach (var piece in pieces)
                locks = checked(locks + (piece.IsBuffer ? 0 : piece.Host.Size));
            if (locks >= Memlock.WorthALook && _memlock?.Invoke().Refusal(locks) is { } refusal)
                throw refusal;

            var given = Info.Present ? null : new IovaRange[pieces.Count];
            int done = 0;
            try
            {
                for (; done < pieces.Count; done++)
                {
                    ulong start = Map(pieces[done]);
                    given?[done] = new(start, pieces[done].Host.Size);
                }
            }
            catch (NativeException fault)
            {
                var refused = Refused(pieces[done], fault, pieces.Skip(done));
                for (int i = done - 1; i >= 0; i--)
                    RollBack(given?[i] ?? pieces[i].Range, refused);
                throw refused;
            }

            for (int i = 0; i < pieces.Count; i++)
                _ledger.Add(this, given?[i] ?? pieces[i].Range);
            return given;
        }
    }

    /// <inheritdoc cref="IPciSession.Unmap"/>
    public void Unmap(IovaRange range)
    {
        lock (_gate)
        {
            CheckOpen();
            _ledger.CheckExact(this, range);
            Take(range);
            _ledger.Remove(range);
            _gone.Remove(range);
        }
    }

    /// <summary>
    /// What the module has unmapped since the last call. A record says where to look, the module says what is: so a merged record, and one
    /// of a piece that was unmapped and mapped anew, name only what is gone.
    /// </summary>
    public IReadOnlyList<Invalidation> TakeInvalidations()
    {
        lock (_gate)
        {
            CheckOpen();
            List<Invalidation> taken = [];
            foreach (var record in _config.Access(_device.TakeInvalidations))
            {
                var where = new IovaRange(record.iova, record.size);
                foreach (var piece in _ledger.Of(this).Where(p => p.Overlaps(where) && !_gone.Contains(p) && IsGone(p)))
                {
                    _gone.Add(piece);
                    taken.Add(new(piece, Cause(record.cause)));
                }
            }

            return taken;
        }
    }

    /// <summary>The session is over: the kernel unmaps everything as it closes the device.</summary>
    public void Close()
    {
        lock (_gate)
            _closed = true;
    }

    private ulong Map(DmaPiece piece) => _device.Map(
        piece.Iova,
        piece.IsBuffer ? piece.MemfdOffset : piece.Host.Address,
        piece.Host.Size,
        Flags(piece.Access),
        piece.IsBuffer ? piece.Memfd : null);

    private void Take(IovaRange range)
    {
        ulong unmapped;
        try
        {
            unmapped = _config.Access(() => _device.Unmap(range.Start, range.Size), failure: null);
        }
        catch (PciException gone) when (gone is { Errno: Errno.ENOENT, Failure: null })
        {
            return; // the module was first; what we have mapped and not unmapped can only have gone that way
        }
        catch (PciException fault) when (fault.Failure is null)
        {
            throw StillMapped(range, fault.Errno, fault);
        }

        if (unmapped != range.Size)
            throw StillMapped(range, Errno.EIO, new NativeException("UPU_DMA_UNMAP", Errno.EIO, $"{unmapped} of {range.Size} bytes unmapped"));
    }

    // A mapping is never cut: an unmap of its first byte is refused while it lives (EINVAL), and finds nothing afterwards (ENOENT).
    private bool IsGone(IovaRange piece)
    {
        try
        {
            _device.Unmap(piece.Start, 1);
            return true;
        }
        catch (NativeException answer)
        {
            return answer.Errno == Errno.ENOENT;
        }
    }

    private void RollBack(IovaRange range, PciException because)
    {
        try
        {
            Take(range);
        }
        catch (PciException left)
        {
            _ledger.Add(this, range);
            throw new PciException(left.Errno, $"{because.Why}; and {left.Why}", left.Fix, left.Failure, because);
        }
    }

    private PciException Refused(DmaPiece piece, NativeException fault, IEnumerable<DmaPiece> left) => fault.Errno switch
    {
        Errno.ENODEV => _config.Gone(fault.Errno, fault),
        Errno.ENOMEM => Memlock.Now().Explain(left.Aggregate(0UL, (sum, p) => sum + (p.IsBuffer ? 0 : p.Host.Size)), fault),
        Errno.ENOSPC => new(Errno.ENOSPC, $"The kernel has no room for another piece beside the {_ledger.Count} mapped ones", $"Map fewer and larger pieces, or raise dma_entry_limit of the module {UioObstacles.Module}.", inner: fault),
        Errno.EEXIST when !Info.Present => new(Errno.EEXIST, $"Memory {piece.Host} is mapped already, and without an IOMMU it has one place", "Unmap that first.", inner: fault),
        Errno.EINVAL when !Info.Present => new(
            Errno.EINVAL,
            $"Memory {piece.Host} does not lie in one run, and without an IOMMU a piece has one bus address",
            "Map it page by page, each a piece of its own; or as huge pages (DmaMemoryKind.HugeTlb, AllocateMemory with Huge), each a piece.",
            inner: fault),
        Errno.EEXIST => new(Errno.EEXIST, $"{piece.Range} overlaps a mapping", "Choose another IOVA.", inner: fault),
        Errno.EFAULT => new(Errno.EFAULT, $"Memory {piece.Host} cannot be pinned{(piece.Access.HasFlag(DmaAccess.DeviceWrites) ? " for writing" : "")}", "Map memory that is there, writable where the device writes, until it is unmapped from the device; shared mappings of files on a disk cannot be pinned.", inner: fault),
        Errno.EINVAL => new(Errno.EINVAL, $"The kernel refuses {piece.Range} for memory {piece.Host}", "Check alignment and aperture (IommuInfo).", inner: fault),
        Errno.EPERM => new(Errno.EPERM, "Another process has mapped memory through this device before, and is its owner", "Map from that process, or end it.", inner: fault),
        Errno.EAGAIN => new(Errno.EAGAIN, $"Memory {piece.Host} kept changing while it was pinned", "Try again when nothing unmaps or drops it.", inner: fault),
        _ => new(fault.Errno, $"{fault.Call} failed for {piece.Range}", "The kernel's log may say more.", SessionFailure.CallFailed, fault),
    };

    private void CheckOpen()
    {
        if (_closed)
            throw new PciException(Errno.ENODEV, "The session has ended", "Wait for SessionReady.");
    }

    // A range over all 64 bits has a size that does not fit; its last byte is given up.
    private static IovaRange Range(ulong start, ulong last) => new(start, last - start == ulong.MaxValue ? ulong.MaxValue : last - start + 1);

    private static PciException StillMapped(IovaRange range, Errno errno, Exception inner) =>
        new(errno, $"The kernel did not unmap {range} whole; the device may still reach it", "The session has to end; closing it takes everything away.", SessionFailure.CallFailed, inner);

    private static InvalidationCause Cause(uint cause) => cause switch
    {
        LibC.UPU_CAUSE_EXITED => InvalidationCause.Exited,
        LibC.UPU_CAUSE_DROPPED => InvalidationCause.Dropped,
        _ => InvalidationCause.Unmapped,
    };

    private static uint Flags(DmaAccess access) =>
        (access.HasFlag(DmaAccess.DeviceReads) ? LibC.UPU_DMA_READ : 0) | (access.HasFlag(DmaAccess.DeviceWrites) ? LibC.UPU_DMA_WRITE : 0);
}
