using System.Collections;
using Riser.Actors.Backends;
using static Riser.Actors.Dma.DmaRegionState;

namespace Riser.Actors.Dma;

/// <summary>
/// Pieces of a region that never change, and what is asked of them again and again: made once. Of a single piece, of which most regions are, it is
/// made anew, so that it takes no memory while nobody asks.
/// </summary>
internal sealed class PieceSet(RegionPiece[] pieces) : IReadOnlyList<RegionPiece>
{
    private const int FewEnoughToSearch = 8;

    private IovaRange[]? _ranges;
    private DmaPiece[]? _mappings;
    private Dictionary<ulong, RegionPiece>? _byStart;
    private HashSet<RegionPiece>? _all;

    public static PieceSet Empty { get; } = new([]);

    /// <summary>As the device sees them.</summary>
    public IReadOnlyList<IovaRange> Ranges => Count == 1 ? [pieces[0].Mapping.Range] : _ranges ??= Array.ConvertAll(pieces, piece => piece.Mapping.Range);

    /// <summary>As a session maps them.</summary>
    public IReadOnlyList<DmaPiece> Mappings => Count == 1 ? [pieces[0].Mapping] : _mappings ??= Array.ConvertAll(pieces, piece => piece.Mapping);

    public int Count => pieces.Length;

    /// <summary>Whether one piece is there more than once.</summary>
    public bool HasOneTwice => Count > 1 && All.Count < Count;

    private HashSet<RegionPiece> All => _all ??= new(pieces, ReferenceEqualityComparer.Instance);

    public RegionPiece this[int index] => pieces[index];

    public static PieceSet Of(IReadOnlyList<RegionPiece> pieces) => pieces as PieceSet ?? (pieces.Count == 0 ? Empty : new([.. pieces]));

    /// <summary>These and others behind them.</summary>
    public PieceSet With(IReadOnlyList<RegionPiece> more) => Count == 0 ? Of(more) : more.Count == 0 ? this : new([.. pieces, .. more]);

    /// <summary>These without some of them.</summary>
    public PieceSet Without(IReadOnlyList<RegionPiece> gone)
    {
        if (gone.Count == 0)
            return this;
        var all = Of(gone).All;
        return new(Array.FindAll(pieces, piece => !all.Contains(piece)));
    }

    /// <summary>The piece that is exactly there; null when none is.</summary>
    public RegionPiece? Find(IovaRange range)
    {
        RegionPiece? found = null;
        if (Count > FewEnoughToSearch)
            (_byStart ??= pieces.ToDictionary(piece => piece.Mapping.Iova)).TryGetValue(range.Start, out found);
        else
            found = Array.Find(pieces, piece => piece.Mapping.Iova == range.Start);
        return found is not null && found.Mapping.Range == range ? found : null;
    }

    public IEnumerator<RegionPiece> GetEnumerator() => ((IEnumerable<RegionPiece>)pieces).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
