using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Riser.Actors.Backends;

namespace Riser.Actors.Specs.Backends;

/// <summary>The page radix against a dictionary of pages.</summary>
public sealed class PageTableSpecs
{
    /// <summary>An insertion or removal of some pages, near a few places that make the tree grow and split.</summary>
    public sealed record Operation(bool Insert, ulong Page, ulong Pages);

    public static class Operations
    {
        public static Arbitrary<Operation> Operation() => Arb.From(
            from insert in ArbMap.Default.GeneratorFor<bool>()
            from place in Gen.Elements(0UL, 500UL, 512UL * 512, (512UL * 512 * 512) - 600, 1UL << 51)
            from offset in Gen.Choose(0, 1200)
            from pages in Gen.Frequency((3, Gen.Choose(1, 4)), (2, Gen.Choose(500, 1100)), (1, Gen.Elements(512, 1024, 512 * 512)))
            select new Operation(insert, place + (ulong)offset, (ulong)pages));
    }

    [Property(Arbitrary = [typeof(Operations)], MaxTest = 200)]
    public void Table_agrees_with_a_naive_model(Operation[] operations)
    {
        var table = new PageTable<object>();
        List<(ulong First, ulong Last, object Value)> model = [];
        foreach (var (insert, page, pages) in operations)
        {
            ulong last = page + pages - 1;
            if (insert)
            {
                object value = new();
                bool free = !model.Any(m => m.First <= last && page <= m.Last);
                Assert.Equal(free, table.TryInsert(page << 12, pages << 12, value, out object? met));
                Assert.Equal(!free, met is not null);
                if (free)
                    model.Add((page, last, value));
            }
            else
            {
                table.Remove(page << 12, pages << 12);
                model = [.. model.SelectMany(m => Without(m, page, last))];
            }

            foreach (ulong probe in model.SelectMany(m => new[] { m.First, m.Last, m.First - 1, m.Last + 1 }).Concat([page, last, page - 1, last + 1]).Where(p => p < 1UL << 52))
            {
                object? expected = model.FirstOrDefault(m => m.First <= probe && probe <= m.Last).Value;
                Assert.Same(expected, table.Find((probe << 12) + 4095));
            }
        }
    }

    [Fact]
    public void Table_covers_the_whole_address_space()
    {
        var table = new PageTable<string>();

        Assert.True(table.TryInsert(0, 1UL << 63, "low", out _));
        Assert.True(table.TryInsert(ulong.MaxValue - 4095, 4096, "top", out _));

        Assert.Equal("top", table.Find(ulong.MaxValue));
        Assert.Equal("low", table.Find((1UL << 63) - 1));
        Assert.Null(table.Find(1UL << 63));
        table.Remove(4096, 4096);
        Assert.Null(table.Find(4096));
        Assert.Equal("low", table.Find(8192));
    }

    private static IEnumerable<(ulong First, ulong Last, object Value)> Without((ulong First, ulong Last, object Value) range, ulong first, ulong last)
    {
        if (range.Last < first || last < range.First)
        {
            yield return range;
            yield break;
        }

        if (range.First < first)
            yield return (range.First, first - 1, range.Value);
        if (last < range.Last)
            yield return (last + 1, range.Last, range.Value);
    }
}
