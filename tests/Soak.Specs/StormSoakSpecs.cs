using System.Diagnostics;
using Akka.Actor;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Riser.Actors.Interrupts;
using Xunit.Abstractions;

namespace Riser.Soak.Specs;

/// <summary>A storm on one device costs the others nothing but processor time: memory stays flat, and every interrupt of theirs arrives.</summary>
public sealed class StormSoakSpecs(ITestOutputHelper output) : SoakSpec(output, "riser.backends.sim.devices.storm { mode = glitter, vectors = 256 }\nriser.backends.sim.devices.calm.vectors = 1")
{
    [Fact]
    public void A_storm_on_one_device_leaves_another_its_interrupts_and_memory_flat()
    {
        int probes = Soak.Length(full: 20_000, brief: 300);
        var storm = Open("storm");
        var calm = Open("calm");
        long stormed = 0;
        var stormVectors = Ask<DeviceProtocol.VectorsOpened>(storm, new DeviceProtocol.OpenVectors(0, 256)).Vectors;
        Action<long> storming = count => Interlocked.Add(ref stormed, count);
        var crowd = Sys.ActorOf(Props.Create(() => new Receiver(storming)).WithDispatcher("riser.reactor-dispatcher"));
        foreach (var vector in stormVectors)
            Ask<InterruptProtocol.Subscribed>(vector, new InterruptProtocol.Subscribe(crowd));
        var calmVector = Ask<DeviceProtocol.VectorsOpened>(calm, new DeviceProtocol.OpenVectors(0, 1)).Vectors[0];
        using var arrived = new SemaphoreSlim(0);
        long handled = 0;
        Action<long> ring = _ =>
        {
            handled = Stopwatch.GetTimestamp();
            arrived.Release();
        };
        var single = Sys.ActorOf(Props.Create(() => new Receiver(ring)).WithDispatcher("riser.reactor-dispatcher"));
        Ask<InterruptProtocol.Subscribed>(calmVector, new InterruptProtocol.Subscribe(single));

        double quiet = Latency();
        Ask<DeviceProtocol.BarWritten>(storm, new DeviceProtocol.WriteBar(0, PonyRegisters.Rate, 4, 10_000_000));
        AwaitCondition(() => Interlocked.Read(ref stormed) > 10_000, TimeSpan.FromSeconds(60));
        _ = Latency();
        long before = GC.GetTotalMemory(forceFullCollection: true), stormedBefore = Interlocked.Read(ref stormed);
        double stormy = Latency(() => Interlocked.Read(ref stormed) - stormedBefore >= probes); // whoever makes the storm may not have had his turn
        long after = GC.GetTotalMemory(forceFullCollection: true), during = Interlocked.Read(ref stormed) - stormedBefore;
        Ask<DeviceProtocol.BarWritten>(storm, new DeviceProtocol.WriteBar(0, PonyRegisters.Rate, 4, 0));

        Assert.True(after - before < 4 << 20, $"{after - before} bytes more after {during} interrupts of a storm");
        AwaitAssert(() => Assert.Equal(Simulation("storm").TriggeredTotal, Describe(storm).Counts.Interrupts), TimeSpan.FromSeconds(60));
        Assert.Equal(Simulation("calm").TriggeredTotal, Describe(calm).Counts.Interrupts);
        Soak.Tell($"a storm is contained: {during:N0} interrupts of a storm beside {probes:N0} of another device: its p99 {stormy:F1} us, {quiet:F1} us without ({(stormy / quiet) - 1:+0%;-0%}), memory {(after - before) / 1024.0:+0;-0;0} KiB");

        double Latency(Func<bool>? enough = null)
        {
            List<double> taken = [];
            for (int i = 0; i < probes || enough?.Invoke() == false; i++)
            {
                long raised = Stopwatch.GetTimestamp();
                Assert.Equal(1, Simulation("calm").Raise(0));
                Assert.True(arrived.Wait(TimeSpan.FromSeconds(60)), $"interrupt {i} of the calm device did not arrive");
                taken.Add(Stopwatch.GetElapsedTime(raised, handled).TotalMicroseconds);
            }
            taken.Sort();
            return taken[taken.Count * 99 / 100];
        }
    }

    private sealed class Receiver : ReceiveActor
    {
        public Receiver(Action<long> taken)
        {
            Receive<InterruptSignal>(signal =>
            {
                if (signal.Take() is var count and > 0)
                    taken(count);
            });
        }
    }
}
