namespace Riser.Actors.Backends.Hardware;

/// <summary>
/// Which pieces of one address space are mapped, and by whom. What it refuses never reaches the kernel, so a refusal
/// changes nothing. Not thread-safe; belongs to its address space's lock.
/// </summary>
/// <param name="iommu">The address space.</param>
/// <param name="limit">Whose parameter dma_entry_limit is: the kernel module that maps.</param>
internal sealed class MappingLedger(IommuInfo iommu, string limit)
{
    private readonly List<Entry> _entries = []; // by IOVA, never overlapping

    public int Count => _entries.Count;

    /// <summary>Refuses pieces that cannot be mapped together with what is mapped.</summary>
    /// <exception cref="PciException">EINVAL, EOVERFLOW, EEXIST or ENOSPC; the message names the piece.</exception>
    public void Check(IReadOnlyList<DmaPiece> pieces)
    {
        foreach (var piece in pieces)
        {
            CheckForm(piece);
            if (Overlapping(piece.Range) is { } other)
                throw Overlap(piece.Range, $"{other}, which is mapped");
        }

        var ordered = pieces.Select(p => p.Range).OrderBy(r => r.Start).ToArray();
        for (int i = 1; i < ordered.Length; i++)
        {
            if (ordered[i].Overlaps(ordered[i - 1]))
                throw Overlap(ordered[i], $"{ordered[i - 1]} of the same call");
        }

        if (pieces.Count > iommu.MaxMappings - Count)
        {
            throw new PciException(
                Errno.ENOSPC,
                $"{pieces.Count} more pieces do not fit: {Count} of {iommu.MaxMappings} are mapped",
                $"Map fewer and larger pieces, or raise dma_entry_limit of the module {limit}.");
        }
    }

    public void Add(object owner, IovaRange range) => _entries.Insert(~Search(range.Start), new(range, owner));

    public void Remove(IovaRange range) => _entries.RemoveAt(Search(range.Start));

    /// <summary>Refuses anything but exactly one earlier piece of this owner.</summary>
    /// <exception cref="PciException">ENOENT or EINVAL.</exception>
    public void CheckExact(object owner, IovaRange range)
    {
        int at = Search(range.Start);
        if (at < 0 || !ReferenceEquals(_entries[at].Owner, owner))
        {
            throw new PciException(
                Errno.ENOENT,
                at < 0 ? $"Nothing is mapped at IOVA 0x{range.Start:x}" : $"What is mapped at IOVA 0x{range.Start:x} belongs to another function of the group",
                "Unmap what this session has mapped, once.");
        }

        if (_entries[at].Range.Size != range.Size)
            throw new PciException(Errno.EINVAL, $"The piece at IOVA 0x{range.Start:x} has 0x{_entries[at].Range.Size:x} bytes, not 0x{range.Size:x}", "A piece is unmapped whole; give its own size.");
    }

    public IReadOnlyList<IovaRange> Of(object owner) => [.. _entries.Where(e => ReferenceEquals(e.Owner, owner)).Select(e => e.Range)];

    private void CheckForm(DmaPiece piece)
    {
        ulong unaligned = (piece.Iova | piece.Host.Address | piece.Host.Size) & (iommu.Alignment - 1);
        if (piece.Host.Size == 0 || unaligned != 0)
            throw Invalid($"IOVA 0x{piece.Iova:x}, memory {piece.Host}: not all are multiples of 0x{iommu.Alignment:x}, or nothing is there", $"Align IOVA, address and size to {iommu.Alignment} bytes.");
        if (piece.Access is 0 or > DmaAccess.ReadWrite)
            throw Invalid($"Access {(int)piece.Access} of the piece at IOVA 0x{piece.Iova:x} is neither reading nor writing", "Say what the device may do: DeviceReads, DeviceWrites or both.");
        if (piece.Iova > ulong.MaxValue - (piece.Host.Size - 1) || piece.Host.Address > ulong.MaxValue - (piece.Host.Size - 1))
            throw new PciException(Errno.EOVERFLOW, $"0x{piece.Host.Size:x} bytes from IOVA 0x{piece.Iova:x} or address 0x{piece.Host.Address:x} wrap around", "Choose a lower IOVA or a smaller size.");
        if (!iommu.Aperture.Any(a => a.Contains(piece.Range)))
            throw Invalid($"{piece.Range} is not inside the aperture {string.Join(", ", iommu.Aperture)}", "Choose an IOVA inside one of these ranges.");
    }

    private IovaRange? Overlapping(IovaRange range)
    {
        int at = Search(range.Start);
        if (at >= 0)
            return _entries[at].Range;
        at = ~at;
        if (at > 0 && _entries[at - 1].Range.Overlaps(range))
            return _entries[at - 1].Range;
        return at < _entries.Count && _entries[at].Range.Overlaps(range) ? _entries[at].Range : null;
    }

    private int Search(ulong start)
    {
        int low = 0, high = _entries.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            ulong found = _entries[middle].Range.Start;
            if (found == start)
                return middle;
            if (found < start)
                low = middle + 1;
            else
                high = middle - 1;
        }

        return ~low;
    }

    private static PciException Overlap(IovaRange range, string other) => new(Errno.EEXIST, $"{range} overlaps {other}", "Choose another IOVA, or unmap that first.");

    private static PciException Invalid(string why, string fix) => new(Errno.EINVAL, why, fix);

    private readonly record struct Entry(IovaRange Range, object Owner);
}
