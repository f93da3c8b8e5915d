using System.Diagnostics;
using System.Runtime.CompilerServices;
using Riser.Actors.Backends;
using Riser.Actors.Devices;

namespace Riser.Benchmarks.Registers;

/// <summary>The checked accessor of a BAR that is memory, against volatile accesses in C to memory as near.</summary>
internal sealed class BarBenchmark : IBenchmark
{
    private const uint Offset = 64;
    private const int WarmUp = 20; // calls of a hundredth of the length; the loops are compiled in full at once

    public string Name => "registers";

    public string What => "one access to a register through the checked accessor of a mapped BAR";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        await using var node = new Node(devices: 1);
        var device = await node.Runtime.FindAsync(DeviceId.Parse("sim:pony0"));
        await node.Client.AskAsync<DeviceProtocol.SessionReady>(device, new DeviceProtocol.Open());
        var bar = (await node.Client.AskAsync<DeviceProtocol.BarOpened>(device, new DeviceProtocol.OpenBar(2))).Bar;
        if (bar.Info.Mapped.Count == 0)
            throw new RefusalException("BAR 2 of the simulated device is not mapped.");
        bar.Write64(Offset, 1);
        long times = scope.Events(3_000_000);
        return
        [
            Compare("read, 32 bits", n => Check(Read32(bar, n), n), n => Floor.floor_read32(n, Offset), times, scope),
            Compare("read, 64 bits", n => Check(Read64(bar, n), n), n => Floor.floor_read64(n, Offset), times, scope),
            Compare("write, 32 bits", n => Write32(bar, n), n => Floor.floor_write32(n, Offset), times, scope),
            Compare("write, 64 bits", n => Write64(bar, n), n => Floor.floor_write64(n, Offset), times, scope),
        ];
    }

    private Row Compare(string variant, Action<long> checkedAccess, Action<long> floor, long times, Scope scope)
    {
        scope.Progress($"{Name}: {variant}");
        for (int i = 0; i < WarmUp; i++)
        {
            checkedAccess(times / 100);
            floor(times / 100);
        }

        var ours = new List<double>();
        var theirs = new List<double>();
        long bytes = GC.GetAllocatedBytesForCurrentThread();
        for (int turn = 0; turn < scope.Turns * 3; turn++)
        {
            theirs.Add(Time(floor, times));
            ours.Add(Time(checkedAccess, times));
        }

        bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
        return new(Name, variant, "one thread", "C volatile")
        {
            Unit = "ns",
            Measured = new(Statistics.Median(ours)),
            Base = new(Statistics.Median(theirs)),
            BytesPerEvent = Math.Round(bytes / (double)(times * ours.Count), 3), // the lists of results are in it
        };
    }

    private static double Time(Action<long> loop, long times)
    {
        long start = Stopwatch.GetTimestamp();
        loop(times);
        return Stopwatch.GetElapsedTime(start).TotalNanoseconds / times;
    }

    private static void Check(ulong sum, long times)
    {
        if (sum != (ulong)times && sum != 0) // a write loop ends with 0 in the register
            throw new RefusalException($"{times} reads of a register gave a sum of {sum}.");
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static ulong Read32(Bar bar, long times)
    {
        ulong sum = 0;
        while (times-- > 0)
            sum += bar.Read32(Offset);
        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static ulong Read64(Bar bar, long times)
    {
        ulong sum = 0;
        while (times-- > 0)
            sum += bar.Read64(Offset);
        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Write32(Bar bar, long times)
    {
        while (times-- > 0)
            bar.Write32(Offset, (uint)times);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Write64(Bar bar, long times)
    {
        while (times-- > 0)
            bar.Write64(Offset, (ulong)times);
    }
}
