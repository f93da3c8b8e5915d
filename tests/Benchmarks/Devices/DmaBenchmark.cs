using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;

namespace Riser.Benchmarks.Devices;

/// <summary>Mapping and unmapping by message on the simulated backend: what the actors and the simulated IOMMU cost, without a kernel.</summary>
internal sealed class DmaBenchmark : IBenchmark
{
    private const int Pieces = 256;

    public string Name => "dma";

    public string What => "map and unmap by message on the simulated backend, one by one and in batches";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        await using var node = new Node(devices: 1);
        var device = await node.Runtime.FindAsync(DeviceId.Parse("sim:pony0"));
        await node.Client.AskAsync<DeviceProtocol.SessionReady>(device, new DeviceProtocol.Open());
        scope.Progress($"{Name}: the messages alone");
        List<Row> rows = [await MeasureAsync("the messages alone", "free, one by one", events: 1, (int)scope.Events(3_000), times => MessageChain.PairsAsync(node, times))];
        foreach (var (size, name) in ((ulong, string)[])[(4 << 10, "4 KiB"), (64 << 10, "64 KiB"), (2 << 20, "2 MiB")])
        {
            scope.Progress($"{Name}: {name}");
            var created = await node.Client.AskAsync<DeviceProtocol.DmaRegionCreated>(device, new DeviceProtocol.CreateDmaRegion(new(DmaMemory.Allocate(size))));
            await node.Client.AskAsync<DmaProtocol.Unmapped>(created.Region, new DmaProtocol.Unmap());
            rows.Add(await MeasureAsync($"map + unmap, {name}", "free, one by one", events: 1, (int)scope.Events(3_000), times => RegionLoad.PairsAsync(node, created.Region, times)));
            if (size == 4 << 10)
                rows.Add(await MeasureAsync($"map + unmap, {name}: driver on Akka's default dispatcher", "free, one by one", events: 1, (int)scope.Events(3_000), times => RegionLoad.PairsAsync(node, created.Region, times, RegionLoad.Elsewhere)));
            await node.Client.AskAsync<DmaProtocol.Released>(created.Region, new DmaProtocol.Release());
        }

        const ulong Size = 4 << 10;
        scope.Progress($"{Name}: {Pieces} pieces");
        var memory = DmaMemory.Allocate(Pieces * Size);
        var whole = await node.Client.AskAsync<DeviceProtocol.DmaRegionCreated>(device, new DeviceProtocol.CreateDmaRegion(new(memory)));
        rows.Add(await MeasureAsync(
            "map + unmap, 4 KiB",
            $"free, {Pieces} pieces a message",
            Pieces,
            (int)scope.Events(300),
            times => RegionLoad.BatchesAsync(node, whole.Region, memory, Size, Pieces, times)));
        return rows;
    }

    private async Task<Row> MeasureAsync(string variant, string regime, int events, int times, Func<int, Task<double[]>> load)
    {
        await Warmth.ReachAsync(Warmth.Usual, () => load(times));
        long bytes = GC.GetTotalAllocatedBytes(precise: true);
        long cpu = Floor.floor_process_cpu();
        var (p50, p99) = Statistics.Percentiles(await load(times));
        cpu = Floor.floor_process_cpu() - cpu;
        bytes = GC.GetTotalAllocatedBytes(precise: true) - bytes;
        double all = (double)times * events;
        return new(Name, variant, regime, Floor: null)
        {
            Unit = "µs",
            Measured = new(p50 / events, p99 / events, cpu / all),
            BytesPerEvent = Math.Round(bytes / all),
        };
    }
}
