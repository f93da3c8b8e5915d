using BenchmarkDotNet.Attributes;
using Riser.Actors.Backends;

namespace Riser.Benchmarks.Registers;

/// <summary>Loops over one register, through the checked accessor and in C; both in ordinary memory.</summary>
public class RegisterAccess
{
    private const int Times = 1_000_000;
    private const uint Offset = 64;

    /// <summary>The mapped BAR; set before the run, since it belongs to a session.</summary>
    internal static Bar Bar { get; set; } = null!;

    [Benchmark(OperationsPerInvoke = Times)]
    public ulong Read32()
    {
        var bar = Bar;
        ulong sum = 0;
        for (int i = 0; i < Times; i++)
            sum += bar.Read32(Offset);
        return sum;
    }

    [Benchmark(OperationsPerInvoke = Times)]
    public ulong Read64()
    {
        var bar = Bar;
        ulong sum = 0;
        for (int i = 0; i < Times; i++)
            sum += bar.Read64(Offset);
        return sum;
    }

    [Benchmark(OperationsPerInvoke = Times)]
    public void Write32()
    {
        var bar = Bar;
        for (uint i = 0; i < Times; i++)
            bar.Write32(Offset, i);
    }

    [Benchmark(OperationsPerInvoke = Times)]
    public void Write64()
    {
        var bar = Bar;
        for (ulong i = 0; i < Times; i++)
            bar.Write64(Offset, i);
    }

    [Benchmark(OperationsPerInvoke = Times)]
    public ulong FloorRead32() => Floor.floor_read32(Times, Offset);

    [Benchmark(OperationsPerInvoke = Times)]
    public ulong FloorRead64() => Floor.floor_read64(Times, Offset);

    [Benchmark(OperationsPerInvoke = Times)]
    public void FloorWrite32() => Floor.floor_write32(Times, Offset);

    [Benchmark(OperationsPerInvoke = Times)]
    public void FloorWrite64() => Floor.floor_write64(Times, Offset);
}
