using System.Diagnostics;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Benchmarks.Devices;

namespace Riser.Benchmarks.Lab;

/// <summary>
/// Mapping and unmapping through the actors of a VFIO device, against a loop in C over the same two ioctls, with the same memory. The
/// C loop has a container of its own, on a device beside, so that the two can take turns without closing either.
/// </summary>
internal sealed class VfioDmaBenchmark : IBenchmark
{
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(4);

    private const ulong Iova = 1UL << 34; // of the loop in C

    public string Name => "dma-vfio";

    public string What => "map and unmap through actors on vfio-pci, against a C loop over the same ioctls";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        await using var node = Node.OfVfio();
        var device = await node.Runtime.FindAsync(DeviceId.Parse($"vfio:{LabMachine.Device("EDU")}"));
        await node.Client.AskAsync<DeviceProtocol.SessionReady>(device, new DeviceProtocol.Open());
        nint floor = Floor.floor_vfio_open(LabMachine.Device("TESTDEV"), out int error);
        if (floor == 0)
            throw new RefusalException($"The floor could not open its device: errno {-error}.");
        try
        {
            var bench = new Bench(this, node, device, floor, scope);
            return
            [
                await bench.MessagesAsync(200),
                await bench.PairsAsync("4 KiB", 4 << 10, DmaMemoryKind.Normal, 200, target: 1.5),
                await bench.PairsAsync("64 KiB", 64 << 10, DmaMemoryKind.Normal, 100, target: null),
                await bench.PairsAsync("2 MiB", 2 << 20, DmaMemoryKind.Huge, 50, target: null),
                await bench.PairsAsync("1 GiB", 1 << 30, DmaMemoryKind.Huge, 1, target: 1.02),
                await bench.BatchesAsync("4 KiB", 4 << 10, 256, 4, target: 1.1),
                await bench.BatchesAsync("64 KiB", 64 << 10, 256, 2, target: null),
                await bench.BatchesAsync("2 MiB", 2 << 20, 32, 2, target: null),
            ];
        }
        finally
        {
            Floor.floor_vfio_close(floor);
        }
    }

    private sealed class Bench(IBenchmark benchmark, Node node, Akka.Actor.IActorRef device, nint floor, Scope scope)
    {
        /// <summary>What no actor there can be below: the messages of a pair, without what is done for them, against the ioctls of one page.</summary>
        public async Task<Row> MessagesAsync(int pairs)
        {
            const ulong Page = 4 << 10;
            scope.Progress($"{benchmark.Name}: the messages alone");
            using var memory = Populated(Page, DmaMemoryKind.Normal);
            var row = await CompareAsync(
                "4 KiB",
                "one by one",
                pieces: 1,
                pairs,
                times => MessageChain.PairsAsync(node, times),
                times => FloorPairs(memory, Page, 1, times),
                target: null);
            return row with { Variant = "the messages alone, no ioctl" };
        }

        public async Task<Row> PairsAsync(string name, ulong size, DmaMemoryKind kind, int pairs, double? target)
        {
            scope.Progress($"{benchmark.Name}: {name}");
            var memory = Populated(size, kind);
            var created = await CreateAsync(memory);
            await node.Client.AskAsync<DmaProtocol.Unmapped>(created.Region, new DmaProtocol.Unmap());
            var row = await CompareAsync(
                name,
                kind == DmaMemoryKind.Huge ? "one by one, huge pages" : "one by one",
                pieces: 1,
                pairs,
                times => RegionLoad.PairsAsync(node, created.Region, times),
                times => FloorPairs(memory, size, 1, times),
                target);
            await node.Client.AskAsync<DmaProtocol.Released>(created.Region, new DmaProtocol.Release());
            return row;
        }

        public async Task<Row> BatchesAsync(string name, ulong size, int pieces, int times, double? target)
        {
            scope.Progress($"{benchmark.Name}: {pieces} pieces of {name}");
            var memory = Populated(size * (ulong)pieces, size >= 2 << 20 ? DmaMemoryKind.Huge : DmaMemoryKind.Normal);
            var created = await CreateAsync(memory);
            var row = await CompareAsync(
                name,
                $"{pieces} pieces a message{(memory.Kind == DmaMemoryKind.Huge ? ", huge pages" : "")}",
                pieces,
                times,
                n => RegionLoad.BatchesAsync(node, created.Region, memory, size, pieces, n),
                n => FloorPairs(memory, size, pieces, n),
                target);
            await node.Client.AskAsync<DmaProtocol.Released>(created.Region, new DmaProtocol.Release());
            return row;
        }

        private async Task<Row> CompareAsync(string name, string regime, int pieces, int times, Func<int, Task<double[]>> ours, Func<int, double[]> theirs, double? target)
        {
            var measured = new Series(pieces);
            var floored = new Series(pieces);
            for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < s_warmUp;)
                await ours(times); // until it is compiled in full, which takes its time here
            theirs(Math.Max(1, times / 4));
            for (int turn = 0; turn < scope.Turns; turn++)
            {
                if (turn % 2 == 0)
                    floored.Add(() => theirs(times), times);
                await measured.AddAsync(() => ours(times), times);
                if (turn % 2 == 1)
                    floored.Add(() => theirs(times), times);
            }

            var row = new Row(benchmark.Name, $"map + unmap, {name}", regime, "C ioctls")
            {
                Unit = "µs",
                Measured = measured.Figures,
                Base = floored.Figures,
                BytesPerEvent = measured.Bytes,
            };
            return target is { } limit ? row with { Targets = [Target.AtMost("p50", limit, row.RatioP50, " × C")] } : row;
        }

        private async Task<DeviceProtocol.DmaRegionCreated> CreateAsync(DmaMemory memory) =>
            await node.Client.AskAsync<DeviceProtocol.DmaRegionCreated>(device, new DeviceProtocol.CreateDmaRegion(new(memory)));

        private static DmaMemory Populated(ulong size, DmaMemoryKind kind)
        {
            var memory = DmaMemory.Allocate(size, kind);
            for (ulong at = 0; at < size; at += 4096)
                memory.Span(at, 1)[0] = 1;
            return memory;
        }

        private unsafe double[] FloorPairs(DmaMemory memory, ulong size, int pieces, int times)
        {
            long[] elapsed = new long[times];
            int error;
            fixed (long* into = elapsed)
                error = Floor.floor_vfio_pairs(floor, (nint)memory.Range.Address, (long)size, pieces, times, Iova, into);
            return error == 0 ? [.. elapsed.Select(ns => ns / 1e3)] : throw new RefusalException($"The floor was refused: errno {-error}.");
        }
    }

    /// <summary>Figures of each turn, for one piece.</summary>
    private sealed class Series(int pieces)
    {
        private readonly List<double> _p50 = [], _p99 = [], _cpu = [], _bytes = [];

        public Figures Figures => new(Statistics.Median(_p50), Statistics.Median(_p99), Statistics.Median(_cpu));

        public double Bytes => Math.Round(Statistics.Median(_bytes));

        public void Add(Func<double[]> turn, int times) => AddAsync(() => Task.FromResult(turn()), times).GetAwaiter().GetResult();

        public async Task AddAsync(Func<Task<double[]>> turn, int times)
        {
            long bytes = GC.GetTotalAllocatedBytes(precise: true);
            long cpu = Floor.floor_process_cpu();
            var (p50, p99) = Statistics.Percentiles(await turn());
            double all = (double)times * pieces;
            _cpu.Add((Floor.floor_process_cpu() - cpu) / all);
            _bytes.Add((GC.GetTotalAllocatedBytes(precise: true) - bytes) / all);
            _p50.Add(p50 / pieces);
            _p99.Add(p99 / pieces);
        }
    }
}
