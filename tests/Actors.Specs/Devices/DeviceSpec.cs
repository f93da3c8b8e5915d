using Akka.Actor;
using Akka.TestKit;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Riser.Actors.Interrupts;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Devices;

/// <summary>A system with one scripted pony, sim:pony, that does nothing by itself.</summary>
public abstract class DeviceSpec : Akka.TestKit.Xunit2.TestKit
{
    protected const string Pony = """
        akka.loglevel = WARNING
        akka.test.single-expect-default = 10s
        riser.backends.enabled = [sim]
        riser.backends.sim.devices.pony { vectors = 64, rate = 0 }
        riser.restart { jitter = 0, open-failed.first = 1ms, call-failed.first = 1ms, device-error.first = 1ms, crash.first = 1ms }
        riser.restart { removal-requested.first = 1ms, surprise-removal.first = 1ms, group-lost.first = 1ms, revoked.first = 1ms }
        """;

    protected DeviceSpec(ITestOutputHelper output, string more = "")
        : base(Akka.Configuration.ConfigurationFactory.ParseString(more).WithFallback(Akka.Configuration.ConfigurationFactory.ParseString(Pony)), output: output)
    {
        Runtime = DeviceRuntime.For(Sys);
        Simulation = Runtime.Backend<SimulationBackend>().Device("pony");
        Device = Runtime.FindAsync(Simulation.Id).GetAwaiter().GetResult();
    }

    protected DeviceRuntime Runtime { get; }

    /// <summary>The hand on the device.</summary>
    protected SimulatedDevice Simulation { get; }

    protected IActorRef Device { get; }

    /// <summary>Opens the device for the test's own actor.</summary>
    protected DeviceProtocol.SessionReady Open()
    {
        Device.Tell(new DeviceProtocol.Open(), TestActor);
        return ExpectMsg<DeviceProtocol.SessionReady>();
    }

    protected T Ask<T>(object command)
    {
        Device.Tell(command, TestActor);
        return ExpectMsg<T>();
    }

    protected IReadOnlyList<IActorRef> OpenVectors(int count, int start = 0) =>
        Ask<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors(start, count)).Vectors;

    protected TestProbe Subscribe(IActorRef vector, InterruptCounting counting = InterruptCounting.Exact)
    {
        var probe = CreateTestProbe();
        vector.Tell(new InterruptProtocol.Subscribe(Counting: counting), probe.Ref);
        probe.ExpectMsg<InterruptProtocol.Subscribed>();
        return probe;
    }

    /// <summary>Takes interrupts from a probe until as many have come as were raised.</summary>
    protected static void ExpectInterrupts(TestProbe probe, long count)
    {
        for (long taken = 0; taken < count;)
        {
            taken += probe.ExpectMsg<InterruptSignal>().Take();
            Assert.True(taken <= count, $"{taken} interrupts were counted, {count} were raised");
        }
    }

    protected DeviceProtocol.Description Describe() => Ask<DeviceProtocol.Description>(new DeviceProtocol.Describe());
}
