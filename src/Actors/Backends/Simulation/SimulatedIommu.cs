using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Simulation;

/// <summary>
/// The IOMMU in front of one simulated device: what is mapped can be reached as far as its access allows, all else is a
/// logged fault. Pieces are mapped all or none and unmapped exactly. Where the machine is to have none, memory has bus addresses
/// instead, and what is not mapped is out of reach all the same. Not thread-safe: the device's lock covers it.
/// </summary>
internal sealed class SimulatedIommu(IommuInfo info, IommuFaultLog faults)
{
    private readonly PageTable<SimulatedMapping> _pages = new();
    private readonly Dictionary<ulong, SimulatedMapping> _byStart = [];
    private readonly SimulatedBus? _bus = info.Present ? null : new();

    public IReadOnlyList<DmaPiece> Mappings => [.. _byStart.Values.Select(m => m.Piece)];

    /// <summary>The mappings of memory that shares a byte with a range.</summary>
    public IEnumerable<SimulatedMapping> On(HostRange range) => _byStart.Values.Where(m => m.Piece.Host.Overlaps(range));

    /// <summary>The pieces at their IOVAs, or at the bus addresses where their memory lies.</summary>
    public IReadOnlyList<DmaPiece> Place(IReadOnlyList<DmaPiece> pieces)
    {
        if (_bus is null)
            return pieces;
        foreach (var piece in pieces)
            CheckForm(piece);
        return _bus.Place(pieces);
    }

    /// <summary>Throws what <see cref="IPciSession.Map"/> promises, as far as it can be told without touching the memory.</summary>
    public void Check(IReadOnlyList<DmaPiece> pieces)
    {
        foreach (var piece in pieces)
            Check(piece);
        CheckSorted(pieces);
        if (pieces.Count > info.MaxMappings - _byStart.Count)
            throw new PciException(Errno.ENOSPC, $"{pieces.Count} more mappings do not fit: {_byStart.Count} of {info.MaxMappings} are taken", "Use fewer, larger pieces or unmap some.");
    }

    /// <summary>Maps what <see cref="Check(IReadOnlyList{DmaPiece})"/> has passed.</summary>
    public void Insert(IReadOnlyList<SimulatedMapping> mappings)
    {
        foreach (var mapping in mappings)
        {
            if (!_pages.TryInsert(mapping.Piece.Iova, mapping.Piece.Host.Size, mapping, out var met))
                throw Exists(mapping.Piece.Range, met.Piece.Range);
            _byStart.Add(mapping.Piece.Iova, mapping);
        }
    }

    /// <summary>Takes one piece out; the caller disposes it outside the device's lock.</summary>
    public SimulatedMapping Remove(IovaRange range)
    {
        if (!_byStart.TryGetValue(range.Start, out var mapping))
            throw new PciException(Errno.ENOENT, $"No piece is mapped at IOVA 0x{range.Start:x}", "Unmap a piece once, by the IOVA it was mapped at.");
        if (mapping.Piece.Host.Size != range.Size)
            throw new PciException(Errno.EINVAL, $"The piece at IOVA 0x{range.Start:x} has 0x{mapping.Piece.Host.Size:x} bytes, not 0x{range.Size:x}", "Unmap exactly what was mapped; a piece is never split.");
        _byStart.Remove(range.Start);
        _pages.Remove(range.Start, range.Size);
        return mapping;
    }

    /// <summary>Takes everything out; the caller disposes it outside the device's lock.</summary>
    public IReadOnlyList<SimulatedMapping> RemoveAll()
    {
        SimulatedMapping[] all = [.. _byStart.Values];
        foreach (var mapping in all)
            Remove(mapping.Piece.Range);
        return all;
    }

    /// <summary>The device reads memory. False at the first page that refuses, which is logged; what came before it was read.</summary>
    public bool TryRead(ulong iova, Span<byte> into)
    {
        while (into.Length > 0)
        {
            if (Reach(iova, into.Length, DmaAccess.DeviceReads) is not { } at)
                return false;
            if (!HostMemory.TryRead(at.Address, into[..at.Length]))
                return Fault(iova, write: false, IommuFaultReason.MemoryGone);
            into = into[at.Length..];
            iova += (ulong)at.Length;
        }

        return true;
    }

    /// <summary>The device writes memory. False at the first page that refuses, which is logged; what came before it was written.</summary>
    public bool TryWrite(ulong iova, ReadOnlySpan<byte> from)
    {
        while (from.Length > 0)
        {
            if (Reach(iova, from.Length, DmaAccess.DeviceWrites) is not { } at)
                return false;
            if (!HostMemory.TryWrite(at.Address, from[..at.Length]))
                return Fault(iova, write: true, IommuFaultReason.MemoryGone);
            from = from[at.Length..];
            iova += (ulong)at.Length;
        }

        return true;
    }

    private (ulong Address, int Length)? Reach(ulong iova, int length, DmaAccess access)
    {
        bool write = access == DmaAccess.DeviceWrites;
        if (_pages.Find(iova) is not { } mapping)
            return Refuse(iova, write, IommuFaultReason.NotMapped);
        if (mapping.Gone)
            return Refuse(iova, write, IommuFaultReason.MemoryGone);
        if ((mapping.Piece.Access & access) == 0)
            return Refuse(iova, write, IommuFaultReason.NotAllowed);
        ulong inside = iova - mapping.Piece.Iova;
        return (mapping.Address + inside, (int)Math.Min((ulong)length, mapping.Piece.Host.Size - inside));
    }

    private (ulong, int)? Refuse(ulong iova, bool write, IommuFaultReason reason)
    {
        Fault(iova, write, reason);
        return null;
    }

    private bool Fault(ulong iova, bool write, IommuFaultReason reason)
    {
        faults.Add(new(iova, write, reason));
        return false;
    }

    private void Check(DmaPiece piece)
    {
        CheckForm(piece);
        if (_bus is not null)
            SimulatedBus.CheckOnce(piece, _byStart.Values.Select(m => m.Piece));
        else if (!info.Aperture.Any(a => a.Contains(piece.Range)))
            throw new PciException(Errno.EINVAL, $"IOVA {piece.Range} is outside the aperture {string.Join(", ", info.Aperture)}", "Choose an IOVA inside one of these ranges.");
        if (_pages.FindAny(piece.Iova, piece.Host.Size) is { } met)
            throw Exists(piece.Range, met.Piece.Range);
    }

    private void CheckForm(DmaPiece piece)
    {
        ulong mask = info.Alignment - 1;
        if (piece.Host.Size == 0 || ((piece.Iova | piece.Host.Address | piece.Host.Size) & mask) != 0)
            throw new PciException(Errno.EINVAL, $"IOVA 0x{piece.Iova:x}, memory {piece.Host}: not whole pages of 0x{info.Alignment:x} bytes", "Align IOVA, address and size to the IOMMU's page size.");
        if (piece.Access is < DmaAccess.DeviceReads or > DmaAccess.ReadWrite)
            throw new PciException(Errno.EINVAL, $"The piece at IOVA 0x{piece.Iova:x} allows neither reads nor writes", "Say what the device may do.");
        if (piece.Iova + (piece.Host.Size - 1) < piece.Iova || piece.Host.Address + (piece.Host.Size - 1) < piece.Host.Address)
            throw new PciException(Errno.EOVERFLOW, $"IOVA 0x{piece.Iova:x}, memory {piece.Host} wraps around the end of its address space", "Use a lower address or a smaller size.");
    }

    private static void CheckSorted(IReadOnlyList<DmaPiece> pieces)
    {
        IovaRange[] sorted = [.. pieces.Select(p => p.Range).OrderBy(r => r.Start)];
        for (int i = 1; i < sorted.Length; i++)
            CheckOverlap(sorted[i], sorted[i - 1]);
    }

    private static void CheckOverlap(IovaRange range, IovaRange other)
    {
        if (range.Overlaps(other))
            throw Exists(range, other);
    }

    private static PciException Exists(IovaRange range, IovaRange met) =>
        new(Errno.EEXIST, $"IOVA {range} overlaps the mapping {met}", "Unmap that first or choose another IOVA.");
}
