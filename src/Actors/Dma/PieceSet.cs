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
    public IReadOnlyList<IovaRange> Ranges => Count == 1 ? [pieces[0].Range] : _ranges ??= Array.ConvertAll(pieces, piece => piece.Range);

    /// <summary>As a session maps them.</summary>
    public IReadOnlyList<DmaPiece> Mappings => Count == 1 ? [pieces[0].Mapping] : _mappings ??= Array.ConvertAll(pieces, piece => piece.Mapping);

    public int Count => pieces.Length;

    /// <summary>Whether one piece is there more than once.</summary>
    public bool HasOneTwice => !IsAscending && All.Count < Count;

    // Pieces of one region never overlap. As a rule they come in order, and then there is nothing to search.
    private bool IsAscending
    {
        get
        {
            for (int i = 1; i < pieces.Length; i++)
            {
                if (pieces[i - 1].Range.Start >= pieces[i].Range.Start)
                    return false;
            }

            return true;
        }
    }

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
        if (WithoutInOrder(gone) is { } left)
            return new(left);
        var all = Of(gone).All;
        return new(Array.FindAll(pieces, piece => !all.Contains(piece)));
    }

    /// <summary>These where a session has put them, in the same order; null: where they are.</summary>
    public PieceSet At(IReadOnlyList<IovaRange>? ranges) => ranges is null ? this : new([.. pieces.Select((piece, i) => piece.At(ranges[i]))]);

    /// <summary>These where a session has put some of them.</summary>
    public PieceSet At(IReadOnlyDictionary<DmaPiece, IovaRange> places) =>
        new(Array.ConvertAll(pieces, piece => places.TryGetValue(piece.Mapping, out var range) ? piece.At(range) : piece));

    /// <summary>The pieces that are exactly there, in the order of the ranges.</summary>
    /// <param name="ranges">As a rule in the order of these pieces.</param>
    /// <param name="missing">A range at which there is none; then the result is null.</param>
    public PieceSet? Find(IReadOnlyList<IovaRange> ranges, out IovaRange missing)
    {
        var found = new RegionPiece[ranges.Count];
        int next = ranges.Count == 0 ? 0 : Array.FindIndex(pieces, piece => piece.Range.Start == ranges[0].Start);
        for (int i = 0; i < found.Length; i++)
        {
            missing = ranges[i];
            bool isNext = (uint)next < (uint)pieces.Length && pieces[next].Range == missing;
            if ((isNext ? pieces[next++] : Find(missing)) is not { } piece)
                return null;
            found[i] = piece;
        }

        missing = default;
        return new(found);
    }

    // Null: those that go are not all here, or in another order.
    private RegionPiece[]? WithoutInOrder(IReadOnlyList<RegionPiece> gone)
    {
        if (gone.Count > pieces.Length)
            return null;
        var left = new RegionPiece[pieces.Length - gone.Count];
        int kept = 0, next = 0;
        foreach (var piece in pieces)
        {
            if (next < gone.Count && ReferenceEquals(piece, gone[next]))
                next++;
            else if (kept < left.Length)
                left[kept++] = piece;
            else
                return null;
        }

        return left;
    }

    private RegionPiece? Find(IovaRange range)
    {
        RegionPiece? found = null;
        if (Count > FewEnoughToSearch)
            (_byStart ??= pieces.ToDictionary(piece => piece.Range.Start)).TryGetValue(range.Start, out found);
        else
            found = Array.Find(pieces, piece => piece.Range.Start == range.Start);
        return found is not null && found.Range == range ? found : null;
    }

    public IEnumerator<RegionPiece> GetEnumerator() => ((IEnumerable<RegionPiece>)pieces).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
