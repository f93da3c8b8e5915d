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
    private readonly Dictionary<T, Entry> _entries = new(ReferenceEqualityComparer.Instance);
    private long _next;

    public void Add(T item, HostRange range)
    {
        var entry = new Entry(range.Address, _next++, range, item);
        _entries.Add(item, entry);
        (_bySize[SizeOf(range)] ??= new(ByAddress.Instance)).Add(entry);
    }

    /// <summary>False: it is not there.</summary>
    public bool Remove(T item)
    {
        if (!_entries.Remove(item, out var entry))
            return false;
        _bySize[SizeOf(entry.Range)]!.Remove(entry);
        return true;
    }

    /// <summary>What lies on some of <paramref name="range"/>; nothing may be added or removed meanwhile.</summary>
    public IEnumerable<T> On(HostRange range)
    {
        for (int size = 0; size < _bySize.Length && range.Size > 0; size++)
        {
            if (_bySize[size] is not { Count: > 0 } entries)
                continue;
            ulong longest = size == 63 ? ulong.MaxValue : (2UL << size) - 1;
            var from = new Entry(range.Address - Math.Min(range.Address, longest), long.MinValue, default, null);
            var to = new Entry(range.Address + (range.Size - 1), long.MaxValue, default, null);
            foreach (var entry in entries.GetViewBetween(from, to))
            {
                if (entry.Range.Overlaps(range))
                    yield return entry.Item!;
            }
        }
    }

    private static int SizeOf(HostRange range) => BitOperations.Log2(range.Size);

    private readonly record struct Entry(ulong Address, long Order, HostRange Range, T? Item);

    private sealed class ByAddress : IComparer<Entry>
    {
        public static readonly ByAddress Instance = new();

        public int Compare(Entry x, Entry y) => x.Address.CompareTo(y.Address) is var byAddress and not 0 ? byAddress : x.Order.CompareTo(y.Order);
    }
}
