namespace Riser.Actors.Backends;

/// <summary>
/// Ranges of IOVAs that never overlap, each with a value, by their start: sorted blocks of at most 256, so that adding and removing one costs
/// the same with ten and with a hundred thousand of them. Not thread-safe: its owner's lock covers it.
/// </summary>
internal sealed class SortedRanges<T>
{
    private const int Most = 256;

    private readonly List<Block> _blocks = []; // none is empty

    public int Count { get; private set; }

    /// <summary>In order.</summary>
    public IEnumerable<(IovaRange Range, T Value)> All
    {
        get
        {
            foreach (var block in _blocks)
            {
                for (int i = 0; i < block.Count; i++)
                    yield return block.Entries[i];
            }
        }
    }

    /// <summary>The first range that ends at or after an IOVA; false when there is none.</summary>
    public bool TryFirst(ulong iova, out (IovaRange Range, T Value) found)
    {
        var at = Seek(iova);
        found = at.Block < _blocks.Count ? _blocks[at.Block].Entries[at.Index] : default;
        return at.Block < _blocks.Count;
    }

    /// <summary>The range that begins exactly there; false when none does.</summary>
    public bool TryGet(ulong start, out (IovaRange Range, T Value) found) => TryFirst(start, out found) && found.Range.Start == start;

    /// <summary>The last range that begins below an IOVA; false when there is none.</summary>
    public bool TryLast(ulong below, out IovaRange found)
    {
        int block = BlockOf(below);
        int index = block < 0 ? 0 : _blocks[block].IndexOf(below); // the first that begins at or after it
        if (block >= 0 && index == 0)
            index = --block < 0 ? 0 : _blocks[block].Count;
        found = block < 0 ? default : _blocks[block].Entries[index - 1].Range;
        return block >= 0;
    }

    /// <summary>From the first range on that ends at or after an IOVA, in order. Nothing may be added or removed meanwhile.</summary>
    public Walk From(ulong iova) => new(_blocks, Seek(iova));

    /// <summary>Adds a range that overlaps none.</summary>
    public void Add(IovaRange range, T value)
    {
        Count++;
        if (_blocks.Count == 0)
            _blocks.Add(new Block());
        int at = Math.Max(0, BlockOf(range.Start));
        var block = _blocks[at];
        int index = block.IndexOf(range.Start);
        if (block.Count == Most)
        {
            // What is added in order leaves full blocks behind; elsewhere a block is halved.
            var next = block.Split(index == Most ? Most : Most / 2);
            _blocks.Insert(at + 1, next);
            if (index > block.Count || block.Count == Most)
                (block, index) = (next, index - block.Count);
        }

        block.Insert(index, (range, value));
    }

    /// <summary>Takes away the range that begins there, which exists.</summary>
    public void Remove(ulong start)
    {
        int at = BlockOf(start);
        var block = _blocks[at];
        block.RemoveAt(block.IndexOf(start));
        if (block.Count == 0)
            _blocks.RemoveAt(at);
        Count--;
    }

    // The block in which a range that begins there is or would be; -1: before all of them.
    private int BlockOf(ulong start)
    {
        int low = 0, high = _blocks.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            if (_blocks[middle].Entries[0].Range.Start <= start)
                low = middle + 1;
            else
                high = middle - 1;
        }

        return high;
    }

    private (int Block, int Index) Seek(ulong iova)
    {
        int block = BlockOf(iova);
        if (block < 0)
            return (0, 0);
        int index = _blocks[block].IndexOf(iova);
        if (index > 0 && _blocks[block].Entries[index - 1].Range.Last >= iova)
            index--;
        return index < _blocks[block].Count ? (block, index) : (block + 1, 0);
    }

    /// <summary>A place among the ranges.</summary>
    internal struct Walk(List<Block> blocks, (int Block, int Index) at)
    {
        private (int Block, int Index) _at = at;

        public readonly bool IsAtEnd => _at.Block >= blocks.Count;

        public readonly IovaRange Range => blocks[_at.Block].Entries[_at.Index].Range;

        /// <summary>
        /// Moves to the last range of its block, if no gap between here and there has so many bytes. What is full is passed
        /// block by block, not range by range.
        /// </summary>
        public void SkipFull(ulong size)
        {
            if (blocks[_at.Block].LargestGap < size)
                _at.Index = blocks[_at.Block].Count - 1;
        }

        public void MoveNext()
        {
            if (++_at.Index == blocks[_at.Block].Count)
                _at = (_at.Block + 1, 0);
        }
    }

    internal sealed class Block
    {
        private ulong? _gap;

        public (IovaRange Range, T Value)[] Entries { get; private set; } = new (IovaRange, T)[4];

        public int Count { get; private set; }

        /// <summary>Bytes of the largest gap between two neighbours in the block; looked for after a change, when somebody asks.</summary>
        public ulong LargestGap
        {
            get
            {
                if (_gap is { } known)
                    return known;
                ulong largest = 0;
                for (int i = 1; i < Count; i++)
                    largest = Math.Max(largest, Entries[i].Range.Start - Entries[i - 1].Range.Last - 1);
                _gap = largest;
                return largest;
            }
        }

        /// <summary>The first entry that begins at or after an IOVA.</summary>
        public int IndexOf(ulong start)
        {
            int low = 0, high = Count;
            while (low < high)
            {
                int middle = (low + high) >>> 1;
                if (Entries[middle].Range.Start < start)
                    low = middle + 1;
                else
                    high = middle;
            }

            return low;
        }

        public void Insert(int index, (IovaRange Range, T Value) entry)
        {
            if (Count == Entries.Length)
            {
                var larger = new (IovaRange, T)[Math.Min(Most, 4 * Count)];
                Array.Copy(Entries, larger, Count);
                Entries = larger;
            }

            Array.Copy(Entries, index, Entries, index + 1, Count - index);
            Entries[index] = entry;
            Count++;
            _gap = null;
        }

        public void RemoveAt(int index)
        {
            Count--;
            Array.Copy(Entries, index + 1, Entries, index, Count - index);
            Entries[Count] = default;
            _gap = null;
        }

        /// <summary>What stands from an index on moves to a block of its own.</summary>
        public Block Split(int index)
        {
            var rest = new Block { Entries = new (IovaRange, T)[Most], Count = Count - index };
            Array.Copy(Entries, index, rest.Entries, 0, rest.Count);
            Array.Clear(Entries, index, rest.Count);
            Count = index;
            _gap = null;
            return rest;
        }
    }
}
