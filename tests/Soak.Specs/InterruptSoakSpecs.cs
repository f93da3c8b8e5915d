using System.Diagnostics;
using Akka.Actor;
using Riser.Actors.Devices;
using Riser.Actors.Interrupts;
using Xunit.Abstractions;

namespace Riser.Soak.Specs;

/// <summary>No interrupt count is lost: masks, slow subscribers and lost sessions notwithstanding.</summary>
public sealed class InterruptSoakSpecs(ITestOutputHelper output) : SoakSpec(output, "riser.backends.sim.devices.pony.vectors = 2048")
{
    private const int Vectors = 2048, Subscribers = 16;

    [Fact]
    public void Every_signal_of_2048_vectors_is_counted_once()
    {
        int signals = Soak.Length(full: 100_000_000, brief: 200_000);
        var random = new Random(Soak.Seed);
        var device = Open("pony");
        var pony = Simulation("pony");
        var vectors = Ask<DeviceProtocol.VectorsOpened>(device, new DeviceProtocol.OpenVectors(0, Vectors)).Vectors;
        var counters = Enumerable.Range(0, Subscribers)
            .Select(i => Sys.ActorOf(Props.Create(() => new Counter(i % 4 == 3)).WithDispatcher(i % 2 == 0 ? "riser.reactor-dispatcher" : "akka.actor.default-dispatcher")))
            .ToList();
        for (int v = 0; v < Vectors; v++)
        {
            vectors[v].Tell(new InterruptProtocol.Subscribe(counters[v % Subscribers]), TestActor);
            ExpectMsg<InterruptProtocol.Subscribed>();
        }

        long begun = Stopwatch.GetTimestamp(), writes = 0;
        int restarts = 0, masks = 0;
        while (pony.TriggeredTotal < signals)
        {
            for (int i = 0; i < 20_000; i++)
                writes += pony.Raise(random.Next(Vectors), random.Next(1, 17)) > 0 ? 1 : 0;
            for (int i = 0; i < 8; i++, masks++)
            {
                int masked = random.Next(Vectors);
                vectors[masked].Tell(new InterruptProtocol.Mask(), ActorRefs.NoSender);
                pony.Raise(masked, random.Next(1, 17));
                vectors[masked].Tell(new InterruptProtocol.Unmask(), ActorRefs.NoSender);
            }
            if (restarts < Math.Max(2, pony.TriggeredTotal / 1_000_000))
            {
                Restart("pony");
                restarts++;
            }
        }
        AwaitAssert(
            () => Assert.Equal(pony.TriggeredTotal, counters.Sum(c => c.Ask<long[]>("counts", TimeSpan.FromSeconds(30)).GetAwaiter().GetResult().Sum())),
            TimeSpan.FromMinutes(2),
            TimeSpan.FromMilliseconds(50));

        var counts = counters.ConvertAll(c => c.Ask<long[]>("counts", TimeSpan.FromSeconds(30)).GetAwaiter().GetResult());
        for (int v = 0; v < Vectors; v++)
            Assert.Equal(pony.Triggered(v), counts[v % Subscribers][v]);
        var told = Describe(device).Counts;
        Assert.Equal(pony.TriggeredTotal, told.Interrupts);
        Soak.Tell($"no interrupt count is lost: {pony.TriggeredTotal:N0} signals in {writes:N0} writes over {Vectors:N0} vectors, {told.Messages:N0} messages, {masks:N0} masks, {restarts:N0} lost sessions: 0 missing, {Stopwatch.GetElapsedTime(begun).TotalSeconds:F0} s");
    }

    private sealed class Counter : ReceiveActor
    {
        private readonly long[] _counts = new long[Vectors];

        public Counter(bool slow)
        {
            Receive<InterruptSignal>(signal =>
            {
                if (slow && signal.Vector % 64 == 0)
                    Thread.SpinWait(2000);
                _counts[signal.Vector] += signal.Take();
            });
            Receive<string>(_ => Sender.Tell(_counts.ToArray()));
        }
    }
}
