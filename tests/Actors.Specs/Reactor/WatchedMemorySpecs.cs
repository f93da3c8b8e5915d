using FsCheck.Xunit;
using Riser.Actors.Backends;
using Riser.Actors.Reactor;

namespace Riser.Actors.Specs.Reactor;

public sealed class WatchedMemorySpecs
{
    private const ulong Base = 1UL << 40;

    [Property]
    public bool Parts_are_the_bytes_that_were_not_removed((byte Start, byte Size)[] removals, byte start, byte size)
    {
        var memory = new WatchedMemory(Range(start, size));
        var bytes = Bytes(Range(start, size)).ToHashSet();

        foreach (var (from, count) in removals)
        {
            memory.Remove(Range(from, count));
            bytes.ExceptWith(Bytes(Range(from, count)));
        }

        return memory.Parts.SelectMany(Bytes).Order().SequenceEqual(bytes.Order());
    }

    [Property]
    public bool What_is_within_another_range_is_watched_and_in_it((byte Start, byte Size)[] removals, byte start, byte size, byte otherStart, byte otherSize)
    {
        var memory = new WatchedMemory(Range(start, size));
        foreach (var (from, count) in removals)
            memory.Remove(Range(from, count));
        var other = Range(otherStart, otherSize);

        return memory.Within(other).SelectMany(Bytes).Order().SequenceEqual(memory.Parts.SelectMany(Bytes).Intersect(Bytes(other)).Order());
    }

    private static HostRange Range(byte start, byte size) => new(Base + start, size + 1UL);

    private static IEnumerable<ulong> Bytes(HostRange range) => Enumerable.Range(0, (int)range.Size).Select(i => range.Address + (ulong)i);
}
