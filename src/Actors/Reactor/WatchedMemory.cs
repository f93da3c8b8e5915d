using Riser.Actors.Backends;

namespace Riser.Actors.Reactor;

/// <summary>The parts of a range that are still what they were when watching began.</summary>
internal sealed class WatchedMemory(HostRange range)
{
    private HostRange[] _parts = [range];

    /// <summary>In no order; they do not overlap.</summary>
    public IReadOnlyList<HostRange> Parts => _parts;

    /// <summary>Whether all of <paramref name="other"/> is still watched.</summary>
    public bool Covers(HostRange other)
    {
        foreach (var part in _parts)
        {
            if (part.Address <= other.Address && other.Address + other.Size <= part.Address + part.Size)
                return true;
        }

        return false;
    }

    /// <summary>What of <paramref name="other"/> is still watched.</summary>
    public IEnumerable<HostRange> Within(HostRange other)
    {
        foreach (var part in _parts)
        {
            ulong start = Math.Max(part.Address, other.Address);
            ulong end = Math.Min(part.Address + part.Size, other.Address + other.Size);
            if (start < end)
                yield return new(start, end - start);
        }
    }

    /// <summary>Forgets what of <paramref name="other"/> was watched.</summary>
    public void Remove(HostRange other)
    {
        var left = new List<HostRange>(_parts.Length + 1);
        foreach (var part in _parts)
        {
            ulong end = part.Address + part.Size, otherEnd = other.Address + other.Size;
            if (!part.Overlaps(other))
                left.Add(part);
            if (part.Overlaps(other) && part.Address < other.Address)
                left.Add(new(part.Address, other.Address - part.Address));
            if (part.Overlaps(other) && otherEnd < end)
                left.Add(new(otherEnd, end - otherEnd));
        }

        _parts = [.. left];
    }
}
