using Riser.Actors.Backends;

namespace Riser.Actors.Specs.Backends;

public sealed class SortedRangesSpecs
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Ranges_are_found_as_in_a_plain_list_whatever_is_added_and_removed(int seed)
    {
        var random = new Random(seed);
        var ranges = new SortedRanges<int>();
        var model = new SortedDictionary<ulong, (IovaRange Range, int Value)>();
        for (int step = 0; step < 20_000; step++)
        {
            ulong slot = (ulong)random.Next(3_000);
            var range = new IovaRange(slot * 16, (ulong)random.Next(1, 17));
            bool isThere = model.ContainsKey(range.Start);
            if (!isThere && random.Next(5) > (step / 4_000) % 3)
            {
                ranges.Add(range, step);
                model.Add(range.Start, (range, step));
            }
            else if (isThere)
            {
                ranges.Remove(range.Start);
                model.Remove(range.Start);
            }

            ulong asked = (ulong)random.Next(3_010 * 16);
            if (step % 7 == 0)
                CheckAround(asked, ranges, model);
        }

        Assert.Equal(model.Values, ranges.All);
        Assert.Equal(model.Count, ranges.Count);
    }

    [Fact]
    public void Ranges_added_in_order_and_removed_in_order_are_all_there()
    {
        var ranges = new SortedRanges<int>();
        for (int i = 0; i < 10_000; i++)
            ranges.Add(new((ulong)i * 4096, 4096), i);

        Assert.Equal(Enumerable.Range(0, 10_000), ranges.All.Select(r => r.Value));
        for (int i = 0; i < 10_000; i++)
        {
            Assert.True(ranges.TryGet((ulong)i * 4096, out var found));
            Assert.Equal(i, found.Value);
            ranges.Remove((ulong)i * 4096);
        }

        Assert.Equal(0, ranges.Count);
        Assert.False(ranges.TryFirst(0, out _));
        Assert.False(ranges.TryLast(ulong.MaxValue, out _));
    }

    [Fact]
    public void Range_at_the_very_end_of_the_address_space_is_found()
    {
        var ranges = new SortedRanges<int>();
        ranges.Add(new(ulong.MaxValue - 4095, 4096), 1);

        Assert.True(ranges.TryFirst(ulong.MaxValue, out var found));
        Assert.Equal(1, found.Value);
    }

    private static void CheckAround(ulong asked, SortedRanges<int> ranges, SortedDictionary<ulong, (IovaRange Range, int Value)> model)
    {
        var rest = model.Values.Where(m => m.Range.Last >= asked).ToList();
        Assert.Equal(rest.Count > 0, ranges.TryFirst(asked, out var first));
        Assert.Equal(rest.FirstOrDefault(), first);
        Assert.Equal(model.TryGetValue(asked, out var exact), ranges.TryGet(asked, out var got));
        if (exact.Range.Size > 0)
            Assert.Equal(exact, got);
        var below = model.Values.Where(m => m.Range.Start < asked).ToList();
        Assert.Equal(below.Count > 0, ranges.TryLast(asked, out var last));
        if (below.Count > 0)
            Assert.Equal(below[^1].Range, last);
        var walk = ranges.From(asked);
        foreach (var expected in rest.Take(300))
        {
            Assert.Equal(expected.Range, walk.Range);
            walk.MoveNext();
        }

        Assert.Equal(rest.Count <= 300, walk.IsAtEnd);
    }
}
