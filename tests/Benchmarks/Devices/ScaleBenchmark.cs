using System.Diagnostics;
using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;

namespace Riser.Benchmarks.Devices;

/// <summary>What a node with many of each thing needs, how long it takes to begin and to end it, and what one more needs.</summary>
internal sealed class ScaleBenchmark : IPartedBenchmark
{
    private const int FilesOfADevice = 3; // its session's notices
    private const int FilesKept = 300; // for the runtime itself
    private const int MostVectors = 2_048;
    private const double TargetMb = 500;
    private const double TargetBytes = 2_500;

    public string Name => "scale";

    public string What => "memory of a whole node, Akka.NET included, and of its parts; time to open, to create, and to shut down";

    public int Parts => 8;

    public async Task<IReadOnlyList<Row>> RunAsync(int part, Scope scope)
    {
        int share = scope.IsQuick ? 10 : 1;
        int files = Footprint.FileLimit() - Footprint.OpenFiles() - FilesKept;
        return part switch
        {
            0 => [await EachAsync("one vector of one device, actor and eventfd included", vectors: MostVectors, regions: 0)],
            1 => [await EachAsync("one DMA region of one device, memory and actor included", vectors: 0, regions: 4_096)],
            2 => await NodeAsync(1_000 / share, 16, TargetMb, scope),
            // As many devices, and as many vectors, as there are file descriptors for.
            3 => await NodeAsync(Math.Min(10_000, files / (FilesOfADevice + 1)) / share, 1, targetMb: null, scope),
            4 => await NodeAsync(Math.Max(1, files / (FilesOfADevice + MostVectors) / share), MostVectors, targetMb: null, scope),
            5 => await RegionsAsync(1_000 / share, scope),
            6 => await RegionsAsync(10_000 / share, scope),
            _ => await RegionsAsync(100_000 / share, scope),
        };
    }

    private async Task<IReadOnlyList<Row>> NodeAsync(int devices, int vectors, double? targetMb, Scope scope)
    {
        string what = $"{devices} devices with {vectors} vectors each";
        scope.Progress($"{Name}: {what}");
        int files = Footprint.OpenFiles();
        var before = Footprint.Now();
        var node = new Node(devices, vectors);
        var all = await node.Runtime.ListAsync();
        long start = Stopwatch.GetTimestamp();
        await OpenAsync(node.Client, [.. all.Select(d => d.Actor)], vectors);
        double open = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var growth = Footprint.Now() - before;
        start = Stopwatch.GetTimestamp();
        await node.EndAsync();
        double shutdown = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (Footprint.OpenFiles() - files is var left && left > 64)
            throw new RefusalException($"{left} files were left open by a node that had been shut down.");
        var resident = Value($"{what}: resident", "MB", growth.Resident / 1e6);
        return
        [
            targetMb is { } limit ? resident with { Targets = [Target.AtMost("node", limit, growth.Resident / 1e6, " MB")] } : resident,
            Value($"{what}: managed heap", "MB", growth.Managed / 1e6),
            Value($"{what}: open and arm all", "s", open),
            Value($"{what}: shut down", "s", shutdown),
        ];
    }

    private static async Task OpenAsync(Client client, IReadOnlyList<IActorRef> devices, int vectorsOfEach)
    {
        foreach (var device in devices)
            client.Tell(device, new DeviceProtocol.Open());
        for (int i = 0; i < devices.Count; i++)
            await client.ReceiveAsync<DeviceProtocol.SessionReady>();
        foreach (var device in devices)
            client.Tell(device, new DeviceProtocol.OpenVectors(0, vectorsOfEach));
        int vectors = 0;
        for (int i = 0; i < devices.Count; i++)
            vectors += (await client.ReceiveAsync<DeviceProtocol.VectorsOpened>()).Message.Vectors.Count;
        if (vectors != devices.Count * vectorsOfEach)
            throw new RefusalException($"{vectors} of {devices.Count * vectorsOfEach} vectors were opened.");
    }

    // Pages of one memory: what is to be seen is the regions, and a kernel has a limit of mappings.
    private async Task<IReadOnlyList<Row>> RegionsAsync(int regions, Scope scope)
    {
        string what = $"{regions} DMA regions of one device";
        scope.Progress($"{Name}: {what}");
        ulong page = (ulong)Environment.SystemPageSize;
        using var memory = DmaMemory.Allocate((ulong)regions * page);
        await using var node = new Node(devices: 1, more: $"sim.iommu.max-mappings = {regions}");
        var device = await node.Runtime.FindAsync(DeviceId.Parse("sim:pony0"));
        await node.Client.AskAsync<DeviceProtocol.SessionReady>(device, new DeviceProtocol.Open());
        var before = Footprint.Now();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < regions; i++)
            node.Client.Tell(device, new DeviceProtocol.CreateDmaRegion(new(DmaMemory.FromRange(new(memory.Range.Address + ((ulong)i * page), page)))));
        for (int i = 0; i < regions; i++)
            await node.Client.ReceiveAsync<DeviceProtocol.DmaRegionCreated>();
        double create = Stopwatch.GetElapsedTime(start).TotalMicroseconds / regions;
        var growth = Footprint.Now() - before;
        start = Stopwatch.GetTimestamp();
        await node.EndAsync();
        return
        [
            Value($"{what}: create each", "µs", create),
            Value($"{what}: managed heap", "MB", growth.Managed / 1e6),
            Value($"{what}: shut down", "s", Stopwatch.GetElapsedTime(start).TotalSeconds),
        ];
    }

    private async Task<Row> EachAsync(string what, int vectors, int regions)
    {
        await using var node = new Node(devices: 1, Math.Max(vectors, 1));
        var device = await node.Runtime.FindAsync(DeviceId.Parse("sim:pony0"));
        await RestartBenchmark.SetUpAsync(node.Client, device, 0, 0);
        var before = Footprint.Now();
        await RestartBenchmark.SetUpAsync(node.Client, device, vectors, regions);
        double bytes = (Footprint.Now() - before).Managed / (double)(vectors + regions);
        return Value($"{what}: managed heap", "bytes", bytes) with { Targets = [Target.AtMost("each", TargetBytes, bytes, " bytes")] };
    }

    private Row Value(string what, string unit, double value) => new(Name, what, "idle", Floor: null) { Unit = unit, Measured = new(value) };
}
