using System.Diagnostics;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interop;
using Riser.Benchmarks.Devices;

namespace Riser.Benchmarks.Lab;

/// <summary>
/// Mapping and unmapping through the actors of a VFIO device, against a loop in C over the same two ioctls, with the same memory. The
/// C loop has a container of its own, on a device beside, so that the two can take turns without closing either.
/// </summary>
internal sealed class VfioDmaBenchmark : IBenchmark
{
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(4); // to compile takes its time here

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
            using var container = new ContainerLoop(floor);
            var bench = new Bench(this, node, device, floor, container, scope);
            return
            [
                .. await bench.MessagesAsync(200),
                .. await bench.PairsAsync("4 KiB", 4 << 10, DmaMemoryKind.Normal, 200, target: 1.5),
                .. await bench.PairsAsync("64 KiB", 64 << 10, DmaMemoryKind.Normal, 100, target: null),
                .. await bench.PairsAsync("2 MiB", 2 << 20, DmaMemoryKind.Huge, 50, target: null),
                .. await bench.PairsAsync("1 GiB", 1 << 30, DmaMemoryKind.Huge, 1, target: 1.02),
                .. await bench.BatchesAsync("4 KiB", 4 << 10, 256, 4, target: 1.1),
                .. await bench.BatchesAsync("64 KiB", 64 << 10, 256, 2, target: null),
                .. await bench.BatchesAsync("2 MiB", 2 << 20, 32, 2, target: null),
            ];
        }
        finally
        {
            Floor.floor_vfio_close(floor);
        }
    }

    private sealed class Bench(IBenchmark benchmark, Node node, Akka.Actor.IActorRef device, nint floor, ContainerLoop container, Scope scope)
    {
        /// <summary>What no actor there can be below: the messages of a pair, without what is done for them, against the ioctls of one page.</summary>
        public async Task<IReadOnlyList<Row>> MessagesAsync(int pairs)
        {
            const ulong Page = 4 << 10;
            scope.Progress($"{benchmark.Name}: the messages alone");
            using var memory = Populated(Page, DmaMemoryKind.Normal);
            return await CompareAsync(
                "one by one",
                () => FloorPairs(memory, Page, 1, pairs),
                pieces: 1,
                pairs,
                [new("the messages alone, no ioctl", () => MessageChain.PairsAsync(node, pairs), Target: null)]);
        }

        public async Task<IReadOnlyList<Row>> PairsAsync(string name, ulong size, DmaMemoryKind kind, int pairs, double? target)
        {
            scope.Progress($"{benchmark.Name}: {name}");
            var memory = Populated(size, kind);
            var created = await CreateAsync(memory);
            await node.Client.AskAsync<DmaProtocol.Unmapped>(created.Region, new DmaProtocol.Unmap());
            var rows = await CompareAsync(
                kind == DmaMemoryKind.Huge ? "one by one, huge pages" : "one by one",
                memory,
                size,
                pieces: 1,
                pairs,
                new($"map + unmap, {name}", () => RegionLoad.PairsAsync(node, created.Region, pairs), target));
            await node.Client.AskAsync<DmaProtocol.Released>(created.Region, new DmaProtocol.Release());
            return rows;
        }

        public async Task<IReadOnlyList<Row>> BatchesAsync(string name, ulong size, int pieces, int times, double? target)
        {
            scope.Progress($"{benchmark.Name}: {pieces} pieces of {name}");
            var memory = Populated(size * (ulong)pieces, size >= 2 << 20 ? DmaMemoryKind.Huge : DmaMemoryKind.Normal);
            var created = await CreateAsync(memory);
            var rows = await CompareAsync(
                $"{pieces} pieces a message{(memory.Kind == DmaMemoryKind.Huge ? ", huge pages" : "")}",
                memory,
                size,
                pieces,
                times,
                new($"map + unmap, {name}", () => RegionLoad.BatchesAsync(node, created.Region, memory, size, pieces, times), target));
            await node.Client.AskAsync<DmaProtocol.Released>(created.Region, new DmaProtocol.Release());
            return rows;
        }

        // Where there is a target, with the floors that a miss is explained by: what .NET costs without an actor, and watching the memory in C.
        private async Task<IReadOnlyList<Row>> CompareAsync(string regime, DmaMemory memory, ulong size, int pieces, int times, Contestant ours)
        {
            Func<double[]> against = () => FloorPairs(memory, size, pieces, times);
            if (ours.Target is null)
                return await CompareAsync(regime, against, pieces, times, [ours]);
            using var unwatched = Populated(memory.Size, memory.Kind);
            return await CompareAsync(
                regime,
                against,
                pieces,
                times,
                [
                    ours,
                    new($"{ours.Variant}: ioctls from C#, no actor", () => Task.FromResult(container.Pairs(memory, size, pieces, times)), Target: null),
                    new($"{ours.Variant}: ioctls from C, memory watched", () => Task.FromResult(FloorPairs(unwatched, size, pieces, times, watched: true)), Target: null) { IsC = true },
                ]);
        }

        private async Task<IReadOnlyList<Row>> CompareAsync(string regime, Func<double[]> against, int pieces, int times, IReadOnlyList<Contestant> contestants)
        {
            var floored = new Series(pieces);
            var measured = contestants.Select(_ => new Series(pieces)).ToList();
            foreach (var contestant in contestants.Where(c => !c.IsC))
                await Warmth.ReachAsync(s_warmUp, contestant.Load);
            against();
            for (int turn = 0; turn < scope.Turns; turn++)
            {
                if (turn % 2 == 0)
                    floored.Add(against, times);
                for (int i = 0; i < contestants.Count; i++)
                    await measured[i].AddAsync(contestants[i].Load, times);
                if (turn % 2 == 1)
                    floored.Add(against, times);
            }

            return [.. contestants.Zip(measured, (contestant, series) => RowOf(contestant, regime, series, floored))];
        }

        private Row RowOf(Contestant contestant, string regime, Series measured, Series floored)
        {
            var row = new Row(benchmark.Name, contestant.Variant, regime, "C ioctls")
            {
                Unit = "µs",
                Measured = measured.Figures,
                Base = floored.Figures,
                BytesPerEvent = measured.Bytes,
            };
            return contestant.Target is { } limit ? row with { Targets = [Target.AtMost("p50", limit, row.RatioP50, " × C")] } : row;
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

        private unsafe double[] FloorPairs(DmaMemory memory, ulong size, int pieces, int times, bool watched = false)
        {
            long[] elapsed = new long[times];
            int error;
            fixed (long* into = elapsed)
            {
                error = watched
                    ? Floor.floor_vfio_watched_pairs(floor, (nint)memory.Range.Address, (long)size, pieces, times, Iova, into)
                    : Floor.floor_vfio_pairs(floor, (nint)memory.Range.Address, (long)size, pieces, times, Iova, into);
            }

            return error == 0 ? [.. elapsed.Select(ns => ns / 1e3)] : throw new RefusalException($"The floor was refused: errno {-error}.");
        }
    }

    /// <summary>Something that is measured against the floor, in turn with it.</summary>
    private sealed record Contestant(string Variant, Func<Task<double[]>> Load, double? Target)
    {
        /// <summary>There is nothing to compile.</summary>
        public bool IsC { get; init; }
    }

    /// <summary>The loop of the floor in C#, through the product's own calls and into the floor's container: what is left of a command when it has no actor, no message and no account.</summary>
    private sealed class ContainerLoop(nint floor) : IDisposable
    {
        private readonly VfioContainerFile _file = new(new FileDescriptor(Floor.floor_vfio_container(floor)));

        public double[] Pairs(DmaMemory memory, ulong size, int pieces, int times)
        {
            double[] elapsed = new double[times];
            for (int time = 0; time < times; time++)
            {
                long start = Stopwatch.GetTimestamp();
                for (uint i = 0; i < pieces; i++)
                    _file.Map(Iova + (i * size), memory.Range.Address + (i * size), size, LibC.VFIO_DMA_MAP_FLAG_READ | LibC.VFIO_DMA_MAP_FLAG_WRITE);
                for (uint i = 0; i < pieces; i++)
                {
                    if (_file.Unmap(Iova + (i * size), size) != size)
                        throw new RefusalException("The container did not unmap what it had mapped.");
                }

                elapsed[time] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
            }

            return elapsed;
        }

        public void Dispose() => _file.Dispose();
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
