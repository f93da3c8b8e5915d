namespace Riser.Actors.Backends.Simulation;

/// <summary>
/// The bus of a machine without an IOMMU: the addresses at which a device sees memory. Nobody here knows where memory lies, so each mapping gets an
/// address that none had before, which keeps a driver from relying on one, and a piece is one page, which is all that surely lies in one run.
/// Not thread-safe: the device's lock covers it.
/// </summary>
internal sealed class SimulatedBus
{
    private const ulong Page = 4096, HugePage = 2 << 20;

    private ulong _free = 0x1_0000_0000; // behind what firmware and registers have

    /// <summary>The pieces where their memory lies.</summary>
    /// <exception cref="PciException">EOPNOTSUPP: a piece names an IOVA; EINVAL: a piece is no single page; EEXIST: two are of the same memory.</exception>
    public IReadOnlyList<DmaPiece> Place(IReadOnlyList<DmaPiece> pieces)
    {
        var placed = new List<DmaPiece>(pieces.Count);
        foreach (var piece in pieces)
        {
            if (piece.Iova != 0)
                throw new PciException(Errno.EOPNOTSUPP, $"IOVA 0x{piece.Iova:x} is not ours to choose: without an IOMMU memory has the bus address where it lies", "Leave the IOVA open.");
            ulong size = piece.Host.Size;
            if (size != Page && (size != HugePage || piece.Host.Address % HugePage != 0))
            {
                throw new PciException(
                    Errno.EINVAL,
                    $"Memory {piece.Host} does not lie in one run, and without an IOMMU a piece has one bus address",
                    "Map it page by page, each a piece of its own; or as huge pages (DmaMemoryKind.HugeTlb), each a piece.");
            }
            CheckOnce(piece, placed);
            _free = (_free + size - 1) / size * size;
            placed.Add(piece with { Iova = _free });
            _free += 2 * size; // no two in one run
        }
        return placed;
    }

    /// <summary>Memory has one place, and is mapped there once.</summary>
    /// <exception cref="PciException">EEXIST: it is mapped.</exception>
    public static void CheckOnce(DmaPiece piece, IEnumerable<DmaPiece> mapped)
    {
        if (mapped.Any(other => other.Host.Overlaps(piece.Host)))
            throw new PciException(Errno.EEXIST, $"Memory {piece.Host} is mapped already, and without an IOMMU it has one place", "Unmap that first.");
    }
}
