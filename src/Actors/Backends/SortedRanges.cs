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
                    yield return block[i];
            }
        }
    }

    /// <summary>The first range that ends at or after an IOVA; false when there is none.</summary>
    public bool TryFirst(ulong iova, out (IovaRange Range, T Value) found)
    {
        var at = Seek(iova);
        found = at.Block < _blocks.Count ? _blocks[at.Block][at.Index] : default;
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
        found = block < 0 ? default : _blocks[block][index - 1].Range;
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
            if (_blocks[middle][0].Range.Start <= start)
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
        if (index > 0 && _blocks[block][index - 1].Range.Last >= iova)
            index--;
        return index < _blocks[block].Count ? (block, index) : (block + 1, 0);
    }

    /// <summary>A place among the ranges.</summary>
    internal struct Walk(List<Block> blocks, (int Block, int Index) at)
    {
        private (int Block, int Index) _at = at;

        public readonly bool IsAtEnd => _at.Block >= blocks.Count;

        public readonly IovaRange Range => blocks[_at.Block][_at.Index].Range;

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

    /// <summary>Entries in order. Whichever side of a change is the shorter one moves: taking all away from either end moves nothing.</summary>
    internal sealed class Block
    {
        private (IovaRange Range, T Value)[] _entries = new (IovaRange, T)[4];
        private int _first; // of those that are in use
        private ulong? _gap;

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
                    largest = Math.Max(largest, this[i].Range.Start - this[i - 1].Range.Last - 1);
                _gap = largest;
                return largest;
            }
        }

        public ref readonly (IovaRange Range, T Value) this[int index] => ref _entries[_first + index];

        /// <summary>The first entry that begins at or after an IOVA.</summary>
        public int IndexOf(ulong start)
        {
            int low = 0, high = Count;
            while (low < high)
            {
                int middle = (low + high) >>> 1;
                if (this[middle].Range.Start < start)
                    low = middle + 1;
                else
                    high = middle;
            }

            return low;
        }

        public void Insert(int index, (IovaRange Range, T Value) entry)
        {
            if (Count == _entries.Length)
                Grow();
            bool moveFront = _first > 0 && index < Count - index;
            if (!moveFront && _first + Count == _entries.Length)
                MoveDown();
            if (moveFront)
                Array.Copy(_entries, _first, _entries, --_first, index);
            else
                Array.Copy(_entries, _first + index, _entries, _first + index + 1, Count - index);
            _entries[_first + index] = entry;
            Count++;
            _gap = null;
        }

        public void RemoveAt(int index)
        {
            Count--;
            if (index < Count - index)
            {
                Array.Copy(_entries, _first, _entries, _first + 1, index);
                _entries[_first++] = default;
            }
            else
            {
                Array.Copy(_entries, _first + index + 1, _entries, _first + index, Count - index);
                _entries[_first + Count] = default;
            }

            _gap = null;
        }

        /// <summary>What stands from an index on moves to a block of its own.</summary>
        public Block Split(int index)
        {
            var rest = new Block { _entries = new (IovaRange, T)[Most], Count = Count - index };
            Array.Copy(_entries, _first + index, rest._entries, 0, rest.Count);
            Array.Clear(_entries, _first + index, rest.Count);
            Count = index;
            _gap = null;
            return rest;
        }

        private void Grow()
        {
            var larger = new (IovaRange, T)[Math.Min(Most, 4 * Count)];
            Array.Copy(_entries, _first, larger, 0, Count);
            (_entries, _first) = (larger, 0);
        }

        // What was taken away in front becomes room behind.
        private void MoveDown()
        {
            Array.Copy(_entries, _first, _entries, 0, Count);
            Array.Clear(_entries, Count, _first);
            _first = 0;
        }
    }
}
