using Riser.Actors.Reactor;

namespace Riser.Actors.Specs.Reactor;

public sealed class RangeIndexSpecs
{
    private const ulong Page = 4096;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Index_finds_what_a_search_of_everything_finds(int seed)
    {
        var random = new Random(seed);
        var index = new RangeIndex<object>();
        var all = new Dictionary<object, HostRange>();
        var places = new Dictionary<object, RangeIndex<object>.Place>();
        for (int i = 0; i < 2_000; i++)
        {
            if (random.Next(3) == 0 && all.Count > 0)
            {
                object gone = all.Keys.ElementAt(random.Next(all.Count));
                Assert.True(index.Remove(places[gone]));
                Assert.False(index.Remove(places[gone]));
                all.Remove(gone);
            }
            else
            {
                object item = new();
                all[item] = Range(random);
                places[item] = index.Add(item, all[item]);
            }

            var asked = Range(random);
            Assert.Equal(all.Where(a => a.Value.Overlaps(asked)).Select(a => a.Key).ToHashSet(), index.On(asked).ToHashSet());
        }
    }

    [Fact]
    public void Index_holds_several_on_one_range_and_tells_neighbours_apart()
    {
        var index = new RangeIndex<string>();
        index.Add("below", new(0, Page));
        index.Add("one", new(Page, Page));
        index.Add("other", new(Page, Page));
        index.Add("above", new(2 * Page, Page));

        Assert.Equal(["one", "other"], index.On(new(Page, Page)));
        Assert.Empty(index.On(new(Page, 0)));
    }

    [Fact]
    public void Index_reaches_both_ends_of_the_address_space()
    {
        var index = new RangeIndex<string>();
        index.Add("first", new(0, 1UL << 63));
        index.Add("last", new(ulong.MaxValue - (2 * Page) + 1, Page));

        Assert.Equal(["first"], index.On(new((1UL << 63) - Page, Page)));
        Assert.Equal(["last"], index.On(new(ulong.MaxValue - (2 * Page) + 1, Page)));
    }

    private static HostRange Range(Random random) => new(Page * (ulong)random.Next(4_000), Page << random.Next(8));
}
