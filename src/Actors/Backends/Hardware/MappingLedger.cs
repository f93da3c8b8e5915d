namespace Riser.Actors.Backends.Hardware;

/// <summary>
/// Which pieces of one address space are mapped, and by whom. What it refuses never reaches the kernel, so a refusal
/// changes nothing. Not thread-safe; belongs to its address space's lock.
/// </summary>
/// <param name="iommu">The address space.</param>
/// <param name="limit">Whose parameter dma_entry_limit is: the kernel module that maps.</param>
internal sealed class MappingLedger(IommuInfo iommu, string limit)
{
    private readonly SortedRanges<object> _entries = new(); // whose each is

    public int Count => _entries.Count;

    /// <summary>Refuses pieces that cannot be mapped together with what is mapped.</summary>
    /// <exception cref="PciException">EINVAL, EOVERFLOW, EEXIST or ENOSPC; the message names the piece.</exception>
    public void Check(IReadOnlyList<DmaPiece> pieces)
    {
        for (int i = 0; i < pieces.Count; i++)
            CheckForm(pieces[i]);
        if (iommu.Present) // else the kernel knows what lies where
        {
            bool inOrder = CheckAmongThemselves(pieces);
            if (pieces.Count > 0 && !(inOrder && IsFree(pieces[0].Iova, pieces[^1].Range.Last)))
                CheckWithOthers(pieces);
        }
        if (pieces.Count > iommu.MaxMappings - Count)
        {
            throw new PciException(
                Errno.ENOSPC,
                $"{pieces.Count} more pieces do not fit: {Count} of {iommu.MaxMappings} are mapped",
                $"Map fewer and larger pieces, or raise dma_entry_limit of the module {limit}.");
        }
    }

    public void Add(object owner, IovaRange range) => _entries.Add(range, owner);

    public void Remove(IovaRange range) => _entries.Remove(range.Start);

    /// <summary>Refuses anything but exactly one earlier piece of this owner.</summary>
    /// <exception cref="PciException">ENOENT or EINVAL.</exception>
    public void CheckExact(object owner, IovaRange range)
    {
        bool isThere = _entries.TryGet(range.Start, out var found);
        if (!isThere || !ReferenceEquals(found.Value, owner))
        {
            throw new PciException(
                Errno.ENOENT,
                isThere ? $"What is mapped at IOVA 0x{range.Start:x} belongs to another function of the group" : $"Nothing is mapped at IOVA 0x{range.Start:x}",
                "Unmap what this session has mapped, once.");
        }

        if (found.Range.Size != range.Size)
            throw new PciException(Errno.EINVAL, $"The piece at IOVA 0x{range.Start:x} has 0x{found.Range.Size:x} bytes, not 0x{range.Size:x}", "A piece is unmapped whole; give its own size.");
    }

    public IReadOnlyList<IovaRange> Of(object owner) => [.. _entries.All.Where(e => ReferenceEquals(e.Value, owner)).Select(e => e.Range)];

    private void CheckWithOthers(IReadOnlyList<DmaPiece> pieces)
    {
        foreach (var piece in pieces)
        {
            if (_entries.TryFirst(piece.Iova, out var found) && found.Range.Overlaps(piece.Range))
                throw Overlap(piece.Range, $"{found.Range}, which is mapped");
        }
    }

    private bool IsFree(ulong first, ulong last) => !_entries.TryFirst(first, out var found) || found.Range.Start > last;

    // True: they come in order, as those of one call do as a rule, and then there is nothing to sort.
    private static bool CheckAmongThemselves(IReadOnlyList<DmaPiece> pieces)
    {
        bool inOrder = true;
        for (int i = 1; i < pieces.Count && inOrder; i++)
            inOrder = pieces[i - 1].Range.Last < pieces[i].Iova;
        if (inOrder)
            return true;
        var ordered = pieces.Select(p => p.Range).OrderBy(r => r.Start).ToArray();
        for (int i = 1; i < ordered.Length; i++)
        {
            if (ordered[i].Overlaps(ordered[i - 1]))
                throw Overlap(ordered[i], $"{ordered[i - 1]} of the same call");
        }

        return false;
    }

    private void CheckForm(DmaPiece piece)
    {
        ulong unaligned = (piece.Iova | piece.Host.Address | piece.Host.Size) & (iommu.Alignment - 1);
        if (piece.Host.Size == 0 || unaligned != 0)
            throw Invalid($"IOVA 0x{piece.Iova:x}, memory {piece.Host}: not all are multiples of 0x{iommu.Alignment:x}, or nothing is there", $"Align IOVA, address and size to {iommu.Alignment} bytes.");
        if (piece.Access is 0 or > DmaAccess.ReadWrite)
            throw Invalid($"Access {(int)piece.Access} of the piece at IOVA 0x{piece.Iova:x} is neither reading nor writing", "Say what the device may do: DeviceReads, DeviceWrites or both.");
        if (piece.Iova > ulong.MaxValue - (piece.Host.Size - 1) || piece.Host.Address > ulong.MaxValue - (piece.Host.Size - 1))
            throw new PciException(Errno.EOVERFLOW, $"0x{piece.Host.Size:x} bytes from IOVA 0x{piece.Iova:x} or address 0x{piece.Host.Address:x} wrap around", "Choose a lower IOVA or a smaller size.");
        if (!iommu.Present && piece.Iova != 0)
            throw new PciException(Errno.EOPNOTSUPP, $"IOVA 0x{piece.Iova:x} is not ours to choose: without an IOMMU memory has the bus address where it lies", "Leave the IOVA open.");
        if (iommu.Present && !IsInAperture(piece.Range))
            throw Invalid($"{piece.Range} is not inside the aperture {string.Join(", ", iommu.Aperture)}", "Choose an IOVA inside one of these ranges.");
    }

    private bool IsInAperture(IovaRange range)
    {
        for (int i = 0; i < iommu.Aperture.Count; i++)
        {
            if (iommu.Aperture[i].Contains(range))
                return true;
        }

        return false;
    }

    private static PciException Overlap(IovaRange range, string other) => new(Errno.EEXIST, $"{range} overlaps {other}", "Choose another IOVA, or unmap that first.");

    private static PciException Invalid(string why, string fix) => new(Errno.EINVAL, why, fix);
}
