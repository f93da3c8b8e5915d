using System.Diagnostics;
using Riser.Actors.Dma;
using Riser.Actors.Interop;

namespace Riser.Benchmarks.Lab;

/// <summary>
/// Allocating DMA memory of each kind, every page of it, and giving it back. In the lab, which has huge pages set aside whatever the machine has.
/// </summary>
internal sealed class MemoryBenchmark : IBenchmark
{
    public string Name => "memory";

    public string What => "allocate DMA memory, make every page of it be there, and give it back";

    public Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        List<Row> rows = [];
        foreach (var (size, name, times) in ((ulong, string, int)[])[(64 << 10, "64 KiB", 100), (2 << 20, "2 MiB", 30), (64 << 20, "64 MiB", 2)])
        {
            foreach (var kind in (DmaMemoryKind[])[DmaMemoryKind.Normal, DmaMemoryKind.Huge, DmaMemoryKind.HugeTlb, DmaMemoryKind.Shared])
            {
                if (kind == DmaMemoryKind.HugeTlb && size < 2 << 20)
                    continue; // there is no less of it
                scope.Progress($"{Name}: {kind}, {name}");
                rows.Add(Compare(kind, size, name, times, scope));
            }
        }

        return Task.FromResult<IReadOnlyList<Row>>(rows);
    }

    private Row Compare(DmaMemoryKind kind, ulong size, string name, int times, Scope scope)
    {
        List<double> ours = [], theirs = [];
        Ours(kind, size, Math.Max(3, times));
        for (int turn = 0; turn < scope.Turns; turn++)
        {
            theirs.AddRange(Theirs(kind, size, times));
            ours.AddRange(Ours(kind, size, times));
        }

        var (p50, p99) = Statistics.Percentiles(ours);
        var (floorP50, floorP99) = Statistics.Percentiles(theirs);
        return new(Name, name, kind.ToString(), "C mmap") { Unit = "µs", Measured = new(p50, p99), Base = new(floorP50, floorP99) };
    }

    private static double[] Ours(DmaMemoryKind kind, ulong size, int times)
    {
        double[] elapsed = new double[times];
        for (int i = 0; i < times; i++)
        {
            long start = Stopwatch.GetTimestamp();
            using (var memory = DmaMemory.Allocate(size, kind))
            {
                if (LibC.madvise((nint)memory.Range.Address, (nuint)size, LibC.MADV_POPULATE_WRITE) != 0)
                    throw new RefusalException($"{kind} memory of {size} bytes is not there: {LibC.LastErrno}.");
            }

            elapsed[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        return elapsed;
    }

    private static unsafe double[] Theirs(DmaMemoryKind kind, ulong size, int times)
    {
        long[] elapsed = new long[times];
        int error;
        fixed (long* into = elapsed)
            error = Floor.floor_memory((int)kind, (long)size, times, into);
        return error == 0 ? [.. elapsed.Select(ns => ns / 1e3)] : throw new RefusalException($"The floor got no {kind} memory of {size} bytes: errno {-error}.");
    }
}
