using System.Diagnostics.CodeAnalysis;

namespace Riser.Actors.Backends;

/// <summary>
/// What stands at each page of a 64-bit address space: a radix tree of 512 slots a node, as tall as its highest page needs.
/// An aligned run of 512 pages (2 MiB, 1 GiB, …) takes one slot higher up, so a long range costs few slots. Lookups are
/// a handful of loads. Not thread-safe: its owner's lock covers it.
/// </summary>
internal sealed class PageTable<T>
    where T : class
{
    private const int Bits = 9;
    private const int Slots = 1 << Bits;

    private readonly int _pageShift;
    private Node _root = new();
    private int _height = 1; // levels; the root covers Slots^height pages

    /// <param name="pageShift">Pages have 2^pageShift bytes.</param>
    public PageTable(int pageShift = 12) => _pageShift = pageShift;

    /// <summary>What covers <paramref name="address"/>; null for nothing.</summary>
    public T? Find(ulong address)
    {
        ulong page = address >> _pageShift;
        int shift = (_height - 1) * Bits;
        if (!Covered(page))
            return null;
        var node = _root;
        while (true)
        {
            object? slot = node[(int)(page >> shift) & (Slots - 1)];
            if (slot is not Node next)
                return (T?)slot;
            node = next;
            shift -= Bits;
        }
    }

    /// <summary>Covers a range, or leaves all as it was and says what was met first.</summary>
    /// <param name="start">First byte, page aligned.</param>
    /// <param name="size">Bytes, a multiple of the page size, more than 0; the range does not wrap.</param>
    /// <param name="value">What covers it.</param>
    /// <param name="met">What stands in the way.</param>
    public bool TryInsert(ulong start, ulong size, T value, [NotNullWhen(false)] out T? met)
    {
        met = FindAny(start, size);
        if (met is not null)
            return false;
        var (first, last) = Pages(start, size);
        while (!Covered(last))
            Grow();
        Set(_root, _height - 1, first, last, value);
        return true;
    }

    /// <summary>Something that covers a page of the range; null when nothing does.</summary>
    public T? FindAny(ulong start, ulong size)
    {
        var (first, last) = Pages(start, size);
        return Covered(first) ? Any(_root, _height - 1, first, Covered(last) ? last : Top) : null;
    }

    /// <summary>Uncovers a range; what was covered beyond it stays.</summary>
    public void Remove(ulong start, ulong size)
    {
        var (first, last) = Pages(start, size);
        if (Covered(first))
            Set(_root, _height - 1, first, Covered(last) ? last : Top, null);
    }

    private ulong Top => _height * Bits >= 64 ? ulong.MaxValue : (1UL << (_height * Bits)) - 1;

    private bool Covered(ulong page) => page <= Top;

    private (ulong First, ulong Last) Pages(ulong start, ulong size) => (start >> _pageShift, (start + size - 1) >> _pageShift);

    private void Grow()
    {
        if (_root.Used > 0)
        {
            var taller = new Node();
            taller.Set(0, _root);
            _root = taller;
        }

        _height++;
    }

    // Pages are counted from the node's own beginning.
    private static void Set(Node node, int level, ulong first, ulong last, T? value)
    {
        int shift = level * Bits;
        ulong within = (1UL << shift) - 1;
        for (ulong index = first >> shift; index <= last >> shift; index++)
        {
            ulong low = index == first >> shift ? first & within : 0;
            ulong high = index == last >> shift ? last & within : within;
            object? slot = node[(int)index];
            if (low == 0 && high == within)
            {
                node.Set((int)index, value);
                continue;
            }

            if (slot is not Node child)
            {
                if (slot == value)
                    continue;
                child = new Node(slot);
                node.Set((int)index, child);
            }

            Set(child, level - 1, low, high, value);
            if (child.Used == 0)
                node.Set((int)index, null);
        }
    }

    private static T? Any(Node node, int level, ulong first, ulong last)
    {
        int shift = level * Bits;
        ulong within = (1UL << shift) - 1;
        for (ulong index = first >> shift; index <= last >> shift; index++)
        {
            object? slot = node[(int)index];
            if (slot is Node child)
                slot = Any(child, level - 1, index == first >> shift ? first & within : 0, index == last >> shift ? last & within : within);
            if (slot is T value)
                return value;
        }

        return null;
    }

    private sealed class Node
    {
        private readonly object?[] _slots = new object?[Slots];

        public Node(object? all = null)
        {
            if (all is null)
                return;
            Array.Fill(_slots, all);
            Used = Slots;
        }

        public int Used { get; private set; }

        public object? this[int index] => _slots[index];

        public void Set(int index, object? value)
        {
            Used += (value is null ? 0 : 1) - (_slots[index] is null ? 0 : 1);
            _slots[index] = value;
        }
    }
}
