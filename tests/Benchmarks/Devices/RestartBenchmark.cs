using System.Diagnostics;
using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Riser.Actors.Dma;

namespace Riser.Benchmarks.Devices;

/// <summary>From a device's error to the next session, with everything mapped and armed again.</summary>
internal sealed class RestartBenchmark : IBenchmark
{
    private const double TargetMs = 10;

    public string Name => "restart";

    public string What => "from a device's error to SessionReady, everything mapped and armed again; no backoff is configured";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope) =>
    [
        await RunAsync(64, 256, (int)scope.Events(200), hasTarget: true, scope),
        await RunAsync(2_048, 4_096, (int)scope.Events(30), hasTarget: false, scope),
    ];

    private async Task<Row> RunAsync(int vectors, int regions, int restarts, bool hasTarget, Scope scope)
    {
        scope.Progress($"{Name}: {vectors} vectors, {regions} regions");
        await using var node = new Node(devices: 1, vectors);
        var device = await node.Runtime.FindAsync(DeviceId.Parse("sim:pony0"));
        await SetUpAsync(node.Client, device, vectors, regions);
        var hand = node.Runtime.Backend<SimulationBackend>().Device("pony0");
        for (int i = 0; i < Math.Max(3, restarts / 4); i++)
            await RestartAsync(node.Client, hand);
        double[] elapsed = new double[restarts];
        for (int i = 0; i < restarts; i++)
            elapsed[i] = await RestartAsync(node.Client, hand);
        if (hand.ArmedVectors.Count != vectors || hand.Mappings.Count != regions)
            throw new RefusalException($"After {restarts} restarts {hand.ArmedVectors.Count} of {vectors} vectors were armed, {hand.Mappings.Count} of {regions} regions mapped.");
        var (p50, p99) = Statistics.Percentiles(elapsed);
        return new(Name, $"{vectors} vectors, {regions} regions", "free", Floor: null)
        {
            Unit = "ms",
            Measured = new(p50, restarts >= 100 ? p99 : null),
            Targets = hasTarget ? [Target.AtMost("p50", TargetMs, p50, " ms")] : [],
        };
    }

    internal static async Task SetUpAsync(Client client, IActorRef device, int vectors, int regions)
    {
        await client.AskAsync<DeviceProtocol.SessionReady>(device, new DeviceProtocol.Open());
        if (vectors > 0)
            await client.AskAsync<DeviceProtocol.VectorsOpened>(device, new DeviceProtocol.OpenVectors(0, vectors));
        for (int i = 0; i < regions; i++)
            client.Tell(device, new DeviceProtocol.CreateDmaRegion(new(DmaMemory.Allocate((ulong)Environment.SystemPageSize))));
        for (int i = 0; i < regions; i++)
            await client.ReceiveAsync<DeviceProtocol.DmaRegionCreated>();
    }

    private static async Task<double> RestartAsync(Client client, SimulatedDevice hand)
    {
        long start = Stopwatch.GetTimestamp();
        hand.ReportError();
        var (_, at) = await client.ReceiveAsync<DeviceProtocol.SessionReady>();
        return Stopwatch.GetElapsedTime(start, at).TotalMilliseconds;
    }
}
