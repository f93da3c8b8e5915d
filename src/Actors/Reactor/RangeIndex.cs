using System.Numerics;

namespace Riser.Actors.Reactor;

/// <summary>
/// Things that lie on ranges of memory, which may overlap; finds those on a range in a time that does not grow with how many
/// lie elsewhere. Sorted by address, apart by size (powers of two): what begins further below a range than its own size
/// can be is not looked at. Not thread-safe.
/// </summary>
internal sealed class RangeIndex<T>
    where T : class
{
    private readonly SortedSet<Entry>?[] _bySize = new SortedSet<Entry>?[64];
    private long _next;

    /// <returns>What it is taken away by.</returns>
    public Place Add(T item, HostRange range)
    {
        var place = new Place(range, _next++);
        (_bySize[SizeOf(range)] ??= new(ByAddress.Instance)).Add(new(place, item));
        return place;
    }

    /// <summary>False: it is not there.</summary>
    public bool Remove(Place place) => _bySize[SizeOf(place.Range)]?.Remove(new(place, null)) == true;

    /// <summary>What lies on some of <paramref name="range"/>; nothing may be added or removed meanwhile.</summary>
    public IEnumerable<T> On(HostRange range)
    {
        for (int size = 0; size < _bySize.Length && range.Size > 0; size++)
        {
            if (_bySize[size] is not { Count: > 0 } entries)
                continue;
            ulong longest = size == 63 ? ulong.MaxValue : (2UL << size) - 1;
            var from = new Entry(new(new(range.Address - Math.Min(range.Address, longest), 0), long.MinValue), null);
            var to = new Entry(new(new(range.Address + (range.Size - 1), 0), long.MaxValue), null);
            foreach (var entry in entries.GetViewBetween(from, to))
            {
                if (entry.Place.Range.Overlaps(range))
                    yield return entry.Item!;
            }
        }
    }

    private static int SizeOf(HostRange range) => BitOperations.Log2(range.Size);

    /// <summary>Where something lies, and which of those that lie there it is.</summary>
    public readonly record struct Place(HostRange Range, long Order);

    private readonly record struct Entry(Place Place, T? Item);

    private sealed class ByAddress : IComparer<Entry>
    {
        public static readonly ByAddress Instance = new();

        public int Compare(Entry x, Entry y) => x.Place.Range.Address.CompareTo(y.Place.Range.Address) is var byAddress and not 0 ? byAddress : x.Place.Order.CompareTo(y.Place.Order);
    }
}
