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
    public string Name => "restart";

    public string What => "from a device's error to SessionReady, everything mapped and armed again; no backoff is configured";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope) =>
    [
        .. await RunAsync(64, 256, (int)scope.Events(200), targetMs: 5, scope),
        .. await RunAsync(2_048, 4_096, (int)scope.Events(30), targetMs: 60, scope),
    ];

    private async Task<IReadOnlyList<Row>> RunAsync(int vectors, int regions, int restarts, double targetMs, Scope scope)
    {
        scope.Progress($"{Name}: {vectors} vectors, {regions} regions");
        await using var node = new Node(devices: 1, vectors);
        var device = await node.Runtime.FindAsync(DeviceId.Parse("sim:pony0"));
        await SetUpAsync(node.Client, device, vectors, regions);
        var hand = node.Runtime.Backend<SimulationBackend>().Device("pony0");
        for (int i = 0; i < Math.Max(3, restarts / 4); i++)
            await RestartAsync(node.Client, hand);
        double[] elapsed = new double[restarts];
        var before = Environment.CpuUsage;
        for (int i = 0; i < restarts; i++)
            elapsed[i] = await RestartAsync(node.Client, hand);
        var after = Environment.CpuUsage;
        if (hand.ArmedVectors.Count != vectors || hand.Mappings.Count != regions)
            throw new RefusalException($"After {restarts} restarts {hand.ArmedVectors.Count} of {vectors} vectors were armed, {hand.Mappings.Count} of {regions} regions mapped.");
        var (p50, p99) = Statistics.Percentiles(elapsed);
        string what = $"{vectors} vectors, {regions} regions";
        return
        [
            new(Name, what, "free", Floor: null)
            {
                Unit = "ms",
                Measured = new(p50, restarts >= 100 ? p99 : null, (after.TotalTime - before.TotalTime).TotalNanoseconds / restarts),
                Targets = [Target.AtMost("p50", targetMs, p50, " ms")],
            },
            new(Name, $"{what}: processor time in the kernel", "free, mean", Floor: null)
            {
                Unit = "ms",
                Measured = new((after.PrivilegedTime - before.PrivilegedTime).TotalMilliseconds / restarts),
            },
        ];
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
