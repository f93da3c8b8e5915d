using BenchmarkDotNet.Attributes;
using Riser.Actors.Backends;
using Riser.Actors.Dma;

namespace Riser.Benchmarks.Devices;

/// <summary>What finds, takes and gives back IOVAs, with few and with many of them taken.</summary>
public class AddressBooks
{
    private const int Asked = 1_024;
    private const ulong Page = 4_096;

    private readonly ulong[] _asked = new ulong[Asked];
    private IovaAllocator _allocator = null!;
    private PageTable<object> _pages = null!;
    private ulong _sum;

    /// <summary>Pages that are taken.</summary>
    [Params(1_000, 100_000)]
    public int Taken { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        _allocator = new(new(Present: true, Page, [new(0, 1UL << 48)], int.MaxValue));
        _pages = new();
        for (int i = 0; i < Taken; i++)
        {
            var range = _allocator.Allocate(Page);
            if (!_pages.TryInsert(range.Start, range.Size, this, out _))
                throw new InvalidOperationException("A page was free and is taken.");
        }

        var random = new Random(1);
        foreach (ref ulong asked in _asked.AsSpan())
            asked = Page * (1 + (ulong)random.Next(Taken));
    }

    [Benchmark(OperationsPerInvoke = Asked)]
    public void ReleaseAndAllocate()
    {
        foreach (ulong iova in _asked)
        {
            _allocator.Release(new(iova, Page));
            _sum += _allocator.Allocate(Page).Start;
        }
    }

    [Benchmark(OperationsPerInvoke = Asked)]
    public void ReleaseAndReserve()
    {
        foreach (ulong iova in _asked)
        {
            _allocator.Release(new(iova, Page));
            _allocator.Reserve(new(iova, Page));
        }
    }

    [Benchmark(OperationsPerInvoke = Asked)]
    public int Find()
    {
        int found = 0;
        foreach (ulong iova in _asked)
            found += _pages.Find(iova) is null ? 0 : 1;
        return found;
    }

    [Benchmark(OperationsPerInvoke = Asked)]
    public void RemoveAndInsert()
    {
        foreach (ulong iova in _asked)
        {
            _pages.Remove(iova, Page);
            _pages.TryInsert(iova, Page, this, out _);
        }
    }
}
