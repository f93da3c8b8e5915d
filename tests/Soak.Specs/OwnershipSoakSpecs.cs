using System.Diagnostics;
using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Xunit.Abstractions;

namespace Riser.Soak.Specs;

/// <summary>
/// At most one owner of a device in a node, searched for by seeded schedules: several who open, take over, close and die, while the device
/// fails, leaves and comes back. Whoever holds its registers writes its own mark and must never read another's.
/// </summary>
public sealed class OwnershipSoakSpecs(ITestOutputHelper output) : SoakSpec(output, "akka.loglevel = OFF\nakka.log-dead-letters = off")
{
    private const int Steps = 24, Rivals = 3;

    [Fact]
    public void No_schedule_lets_two_owners_reach_one_device()
    {
        int schedules = Soak.Length(full: 1_000, brief: 25);
        long begun = Stopwatch.GetTimestamp();
        var history = new History();
        for (int s = 0; s < schedules; s++)
            Search(unchecked((Soak.Seed * 100_003) + s), $"pony{s}", history);
        Assert.True(history.Marks > schedules && history.Refused > 0, $"{history.Marks} marks and {history.Refused} refusals: too little was tried");
        Soak.Tell($"at most one owner in a node: {schedules:N0} schedules of {Steps} steps by {Rivals} rivals, {history.Marks:N0} marks, {history.Refused:N0} stale accesses refused: 0 overlaps, {Stopwatch.GetElapsedTime(begun).TotalSeconds:F0} s");
    }

    private void Search(int seed, string name, History history)
    {
        var random = new Random(seed);
        var pony = Runtime.Backend<SimulationBackend>().Add(name, new PonyOptions { Vectors = 1 });
        IActorRef device = ActorRefs.Nobody;
        AwaitAssert(() => device = Device(name));
        var rivals = new IActorRef[Rivals];
        for (int i = 0; i < Rivals; i++)
            rivals[i] = Rival(i);
        for (int step = 0; step < Steps; step++)
        {
            int who = random.Next(Rivals);
            switch (random.Next(12))
            {
                case 0 or 1 or 2: device.Tell(new DeviceProtocol.Open(), rivals[who]); break;
                case 3 or 4 or 5: device.Tell(new DeviceProtocol.TakeOver(), rivals[who]); break;
                case 6: device.Tell(new DeviceProtocol.Close(), rivals[who]); break;
                case 7:
                    Sys.Stop(rivals[who]);
                    rivals[who] = Rival(who);
                    break;
                case 8: pony.ReportError(); break;
                case 9: pony.FailNext(SimulatedCall.Open, Errno.EBUSY); break;
                case 10:
                    pony.SurpriseRemove();
                    pony.Replug();
                    break;
                default: rivals[who].Tell(Mark.Instance); break;
            }
            if (random.Next(2) == 0)
                AwaitCondition(() => Describe(device).State is DevicePhase.Ready or DevicePhase.Closed or DevicePhase.Absent, TimeSpan.FromSeconds(60), TimeSpan.FromMilliseconds(1));
            else
                Thread.SpinWait(random.Next(4000));
            Assert.True(pony.OpenSessions <= 1 + (pony.IsPresent ? 1 : 0), $"seed {seed}, step {step}: {pony.OpenSessions} sessions are open"); // one may be that of the device that was pulled out
            Assert.True(history.Overlap is null, $"seed {seed}, step {step}: {history.Overlap}");
        }
        foreach (var rival in rivals)
            Sys.Stop(rival);
        AwaitAssert(() => Assert.Equal(0, pony.OpenSessions), TimeSpan.FromSeconds(60));
        Assert.True(history.Overlap is null, $"seed {seed}: {history.Overlap}");

        IActorRef Rival(int number) => Sys.ActorOf(Props.Create(() => new Rival(device, (uint)((number + 1) * 0x1111), history)));
    }

    private sealed class History
    {
        private long _marks, _refused;

        public string? Overlap { get; set; }

        public long Marks => Interlocked.Read(ref _marks);

        public long Refused => Interlocked.Read(ref _refused);

        public void Marked() => Interlocked.Increment(ref _marks);

        public void WasRefused() => Interlocked.Increment(ref _refused);
    }

    private sealed record Mark
    {
        public static readonly Mark Instance = new();
    }

    /// <summary>As an owner it marks the device and reads its own mark, or is refused; never another's.</summary>
    private sealed class Rival : ReceiveActor
    {
        private readonly uint _mark;
        private readonly History _history;
        private Bar? _bar;

        public Rival(IActorRef device, uint mark, History history)
        {
            (_mark, _history) = (mark, history);
            Receive<DeviceProtocol.SessionReady>(_ => device.Tell(new DeviceProtocol.OpenBar(2)));
            Receive<DeviceProtocol.BarOpened>(opened =>
            {
                _bar = opened.Bar;
                Self.Tell(Mark.Instance);
            });
            Receive<Mark>(_ => Write());
            ReceiveAny(_ => { }); // Revoked and SessionLost too: a stale owner goes on as long as it is let
        }

        private void Write()
        {
            if (_bar is not { } bar)
                return;
            try
            {
                for (int i = 0; i < 200; i++)
                {
                    bar.Write32(0, _mark);
                    uint read = bar.Read32(0);
                    if (read == 0 || read == uint.MaxValue)
                        return; // reset, or pulled out, and about to be refused
                    if (read != _mark)
                    {
                        _history.Overlap = $"the owner that writes 0x{_mark:x} reads 0x{read:x}";
                        return;
                    }
                }
                _history.Marked();
                Self.Tell(Mark.Instance);
            }
            catch (PciException)
            {
                _history.WasRefused();
                _bar = null;
            }
        }
    }
}
