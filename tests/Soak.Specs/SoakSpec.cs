using Akka.Actor;
using Akka.Configuration;
using Riser.Actors;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Xunit.Abstractions;

namespace Riser.Soak.Specs;

/// <summary>A node whose devices fail at once and come back at once, as often as a soak wants.</summary>
public abstract class SoakSpec(ITestOutputHelper output, string more = "") : Akka.TestKit.Xunit2.TestKit(ConfigurationFactory.ParseString(more).WithFallback(ConfigurationFactory.ParseString(Node)), output: output)
{
    private const string Node = """
        akka.loglevel = ERROR
        akka.log-dead-letters = off
        akka.test.single-expect-default = 60s
        riser.backends.enabled = [sim]
        riser.restart { jitter = 0, budget = 1000000, open-failed.first = 0ms, call-failed.first = 0ms, device-error.first = 0ms, crash.first = 0ms }
        riser.restart { removal-requested.first = 0ms, surprise-removal.first = 0ms, group-lost.first = 0ms }
        """;

    protected const ulong Page = 4096;

    protected DeviceRuntime Runtime => DeviceRuntime.For(Sys);

    protected SimulatedDevice Simulation(string name) => Runtime.Backend<SimulationBackend>().Device(name);

    protected IActorRef Device(string name) => Runtime.FindAsync(Simulation(name).Id).GetAwaiter().GetResult();

    protected T Ask<T>(IActorRef target, object command)
    {
        target.Tell(command, TestActor);
        return ExpectMsg<T>();
    }

    protected IActorRef Open(string name)
    {
        var device = Device(name);
        Ask<DeviceProtocol.SessionReady>(device, new DeviceProtocol.Open());
        return device;
    }

    protected DeviceProtocol.DmaRegionCreated Region(IActorRef device, DmaMemory memory) =>
        Ask<DeviceProtocol.DmaRegionCreated>(device, new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(memory)));

    protected DeviceProtocol.Description Describe(IActorRef device) => Ask<DeviceProtocol.Description>(device, new DeviceProtocol.Describe());

    /// <summary>One failure of the device, and the session after it.</summary>
    protected void Restart(string name)
    {
        Simulation(name).ReportError();
        FishForMessage(m => m is DeviceProtocol.SessionReady);
    }
}
