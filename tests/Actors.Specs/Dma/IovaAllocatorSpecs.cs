using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Riser.Actors.Backends;
using Riser.Actors.Dma;

namespace Riser.Actors.Specs.Dma;

/// <summary>The allocator against a naive model, and its refusals.</summary>
public sealed class IovaAllocatorSpecs
{
    private const ulong Page = 4096, Huge = 1UL << 21;

    // Two ranges with a gap, small enough to fill.
    private static readonly IommuInfo _small = new(Present: true, Page | Huge, [new(0, 8 * Huge), new(9 * Huge, 8 * Huge)], 1000);

    public abstract record Operation
    {
        public sealed record Allocate(ulong Pages) : Operation;

        public sealed record Reserve(ulong FirstPage, ulong Pages) : Operation;

        public sealed record Release(int Which) : Operation;
    }

    public static class Operations
    {
        public static Arbitrary<Operation> Operation()
        {
            var sizes = Gen.Frequency((3, Gen.Choose(1, 16)), (2, Gen.Choose(400, 1300)), (1, Gen.Elements(512, 1024)));
            return Arb.From(Gen.Frequency(
                (4, from pages in sizes select (Operation)new Operation.Allocate((ulong)pages)),
                (2, from page in Gen.Choose(0, 18 * 512) from pages in sizes select (Operation)new Operation.Reserve((ulong)page, (ulong)pages)),
                (3, from which in Gen.Choose(0, 1000) select (Operation)new Operation.Release(which))));
        }
    }

    [Property(Arbitrary = [typeof(Operations)], MaxTest = 300)]
    public void Allocator_agrees_with_a_naive_model(Operation[] operations)
    {
        var allocator = new IovaAllocator(_small);
        List<IovaRange> model = [];
        foreach (var operation in operations)
        {
            switch (operation)
            {
                case Operation.Allocate(var pages):
                    var expected = FirstFit(model, pages * Page);
                    if (expected is { } range)
                    {
                        Assert.Equal(range, allocator.Allocate(pages * Page));
                        model.Add(range);
                    }
                    else
                    {
                        Refused(Errno.ENOSPC, () => allocator.Allocate(pages * Page));
                    }

                    break;
                case Operation.Reserve(var first, var pages):
                    var wanted = new IovaRange(first * Page, pages * Page);
                    if (!_small.Aperture.Any(a => a.Contains(wanted)))
                    {
                        Refused(Errno.EINVAL, () => allocator.Reserve(wanted));
                    }
                    else if (model.Any(m => m.Overlaps(wanted)))
                    {
                        Refused(Errno.EEXIST, () => allocator.Reserve(wanted));
                    }
                    else
                    {
                        allocator.Reserve(wanted);
                        model.Add(wanted);
                    }

                    break;
                case Operation.Release(var which) when model.Count > 0:
                    var gone = model[which % model.Count];
                    allocator.Release(gone);
                    model.Remove(gone);
                    break;
                default:
                    break;
            }

            Assert.Equal(model.OrderBy(m => m.Start), allocator.Taken);
        }
    }

    [Fact]
    public void Allocator_aligns_to_the_largest_page_that_is_filled()
    {
        var allocator = new IovaAllocator(new(Present: true, Page | Huge | (1UL << 30), [new(0, 1UL << 48)], 1000));

        Assert.Equal(Page, allocator.Allocate(Page).Start);
        Assert.Equal(Huge, allocator.Allocate(Huge).Start);
        Assert.Equal(2 * Huge, allocator.Allocate(Huge + Page).Start);
        Assert.Equal(1UL << 30, allocator.Allocate(1UL << 30).Start);
        Assert.Equal(2 * Page, allocator.Allocate(Huge - (2 * Page)).Start);
    }

    [Fact]
    public void Allocator_uses_small_alignment_when_only_small_gaps_are_left()
    {
        var allocator = new IovaAllocator(new(Present: true, Page | Huge, [new(Page, Huge + Page)], 1000));

        Assert.Equal(Page, allocator.Allocate(Huge).Start);
    }

    [Fact]
    public void Allocator_reaches_the_end_of_a_64_bit_aperture()
    {
        var allocator = new IovaAllocator(new(Present: true, Page, [new(ulong.MaxValue - (4 * Page) + 1, 4 * Page)], 10));

        for (int i = 0; i < 4; i++)
            allocator.Allocate(Page);
        Refused(Errno.ENOSPC, () => allocator.Allocate(Page));
        Assert.Equal(ulong.MaxValue, allocator.Taken[^1].Last);
    }

    [Theory]
    [InlineData(1, 4096, Errno.EINVAL)]
    [InlineData(4096, 0, Errno.EINVAL)]
    [InlineData(4096, 100, Errno.EINVAL)]
    [InlineData(8 * Huge, Page, Errno.EINVAL)]
    [InlineData((8 * Huge) - Page, 2 * Page, Errno.EINVAL)]
    [InlineData(ulong.MaxValue - Page + 1, 2 * Page, Errno.EOVERFLOW)]
    [InlineData(1UL << 40, Page, Errno.EINVAL)]
    public void Reserve_refuses_what_cannot_be_mapped(ulong start, ulong size, Errno errno) =>
        Refused(errno, () => new IovaAllocator(_small).Reserve(new(start, size)));

    [Fact]
    public void Release_refuses_what_was_not_taken_so()
    {
        var allocator = new IovaAllocator(_small);
        allocator.Reserve(new(Page, 4 * Page));

        Refused(Errno.ENOENT, () => allocator.Release(new(2 * Page, Page)));
        Refused(Errno.EINVAL, () => allocator.Release(new(Page, Page)));
        allocator.Release(new(Page, 4 * Page));
        Refused(Errno.ENOENT, () => allocator.Release(new(Page, 4 * Page)));
    }

    [Fact]
    public void Allocator_gives_no_two_threads_the_same()
    {
        var allocator = new IovaAllocator(new(Present: true, Page, [new(0, 1UL << 32)], 100000));

        Parallel.For(0, 8, _ =>
        {
            for (int i = 0; i < 500; i++)
            {
                var first = allocator.Allocate(Page);
                allocator.Allocate(2 * Page);
                allocator.Release(first);
            }
        });

        var taken = allocator.Taken;
        Assert.Equal(4000, taken.Count);
        Assert.All(taken.Zip(taken.Skip(1)), pair => Assert.True(pair.First.Last < pair.Second.Start));
    }

    private static IovaRange? FirstFit(List<IovaRange> taken, ulong size)
    {
        foreach (ulong alignment in size >= Huge ? new[] { Huge, Page } : [Page])
        {
            foreach (var range in _small.Aperture)
            {
                ulong start = (Math.Max(range.Start, Page) + alignment - 1) / alignment * alignment;
                for (; range.Contains(new(start, size)); start += alignment)
                {
                    if (!taken.Any(t => t.Overlaps(new(start, size))))
                        return new(start, size);
                }
            }
        }

        return null;
    }

    private static void Refused(Errno errno, Action call) => Assert.Equal(errno, Assert.Throws<PciException>(call).Errno);
}
