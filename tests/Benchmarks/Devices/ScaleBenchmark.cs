using System.Diagnostics;
using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Devices;

namespace Riser.Benchmarks.Devices;

/// <summary>What a node with many devices needs, and what one more of each thing needs.</summary>
internal sealed class ScaleBenchmark : IBenchmark
{
    private const int Devices = 1_000;
    private const int Vectors = 16;
    private const double TargetMb = 500;

    public string Name => "scale";

    public string What => "memory of a whole node, Akka.NET included, and of its parts; time to open and to shut down";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        int devices = scope.IsQuick ? Devices / 10 : Devices;
        scope.Progress($"{Name}: {devices} devices");
        return
        [
            .. await NodeAsync(devices),
            await EachAsync("one vector of one device, actor and eventfd included", vectors: 2_048, regions: 0),
            await EachAsync("one DMA region of one device, actor included", vectors: 0, regions: 4_096),
        ];
    }

    private async Task<IReadOnlyList<Row>> NodeAsync(int devices)
    {
        int files = Footprint.OpenFiles();
        var before = Footprint.Now();
        var node = new Node(devices, Vectors);
        var all = await node.Runtime.ListAsync();
        long start = Stopwatch.GetTimestamp();
        await OpenAsync(node.Client, [.. all.Select(d => d.Actor)]);
        double open = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var growth = Footprint.Now() - before;
        start = Stopwatch.GetTimestamp();
        await node.EndAsync();
        double shutdown = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (Footprint.OpenFiles() - files is var left && left > 64)
            throw new RefusalException($"{left} files were left open by a node that had been shut down.");
        string what = $"{devices} devices with {Vectors} vectors each";
        return
        [
            Value($"{what}: resident", "MB", growth.Resident / 1e6) with { Targets = [Target.AtMost("node", TargetMb, growth.Resident / 1e6, " MB")] },
            Value($"{what}: managed heap", "MB", growth.Managed / 1e6),
            Value($"{what}: open and arm all", "s", open),
            Value($"{what}: shut down", "s", shutdown),
        ];
    }

    private static async Task OpenAsync(Client client, IReadOnlyList<IActorRef> devices)
    {
        foreach (var device in devices)
            client.Tell(device, new DeviceProtocol.Open());
        for (int i = 0; i < devices.Count; i++)
            await client.ReceiveAsync<DeviceProtocol.SessionReady>();
        foreach (var device in devices)
            client.Tell(device, new DeviceProtocol.OpenVectors(0, Vectors));
        int vectors = 0;
        for (int i = 0; i < devices.Count; i++)
            vectors += (await client.ReceiveAsync<DeviceProtocol.VectorsOpened>()).Message.Vectors.Count;
        if (vectors != devices.Count * Vectors)
            throw new RefusalException($"{vectors} of {devices.Count * Vectors} vectors were opened.");
    }

    private async Task<Row> EachAsync(string what, int vectors, int regions)
    {
        await using var node = new Node(devices: 1, Math.Max(vectors, 1));
        var device = await node.Runtime.FindAsync(DeviceId.Parse("sim:pony0"));
        await RestartBenchmark.SetUpAsync(node.Client, device, 0, 0);
        var before = Footprint.Now();
        await RestartBenchmark.SetUpAsync(node.Client, device, vectors, regions);
        var growth = Footprint.Now() - before;
        return Value($"{what}: managed heap", "bytes", growth.Managed / (double)(vectors + regions));
    }

    private Row Value(string what, string unit, double value) => new(Name, what, "idle", Floor: null) { Unit = unit, Measured = new(value) };
}
