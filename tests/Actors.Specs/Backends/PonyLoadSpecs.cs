using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Interop;
using static Riser.Actors.Backends.Simulation.PonyRegisters;

namespace Riser.Actors.Specs.Backends;

/// <summary>The load that ponies make: by step, without a clock, and by the clock.</summary>
public sealed class PonyLoadSpecs() : SimulationSpec("devices { pony0 { vectors = 8, rate = 5000 } }")
{
    [Fact]
    public void Rainbow_raises_every_vector_in_turn_and_frames_that_can_be_checked()
    {
        var slot = new Slot { ArmedVectors = 8 };
        var load = Load(slot, new() { Vectors = 8 });
        (load.RingBase, load.RingFrameSize, load.RingFrames) = (0x1000, 128, 4);

        for (int i = 0; i < 20; i++)
        {
            load.Step();
            load.Consumed = load.Produced;
        }

        Assert.Equal(Enumerable.Range(0, 20).Select(i => (i % 8, 1)), slot.Raised);
        Assert.Equal(20, slot.Written.Count);
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(0x1000u + ((ulong)(i % 4) * 128), slot.Written[i].Iova);
            Assert.Equal(128, PonyPattern.Verify(slot.Written[i].Bytes, (ulong)i));
            slot.Written[i].Bytes[100] ^= 1;
            Assert.Null(PonyPattern.Verify(slot.Written[i].Bytes, (ulong)i));
        }
    }

    [Fact]
    public void Ring_is_never_overrun_when_nobody_consumes()
    {
        var slot = new Slot { ArmedVectors = 8 };
        var load = Load(slot, new() { Vectors = 8 });
        load.RingFrames = 4;

        for (int i = 0; i < 20; i++)
            load.Step();

        Assert.Equal(4UL, load.Produced);
        Assert.Equal(20, slot.Raised.Count);
    }

    [Fact]
    public void Glitter_is_the_same_for_the_same_seed_and_another_for_another()
    {
        var first = Glitter(seed: 3);
        var second = Glitter(seed: 3);
        var third = Glitter(seed: 4);

        Assert.Equal(first.Raised, second.Raised);
        Assert.Equal(first.Written.Select(w => (w.Iova, w.Bytes.Length)), second.Written.Select(w => (w.Iova, w.Bytes.Length)));
        Assert.NotEqual(first.Raised, third.Raised);
        Assert.Equal(256, first.Raised.Select(r => r.Vector).Distinct().Count());
        Assert.Contains(first.Raised, r => r.Times > 16); // storms
        Assert.True(first.Written.Select(w => w.Bytes.Length).Distinct().Count() > 100);
    }

    [Fact]
    public void Glitter_makes_faults_as_often_as_asked()
    {
        Assert.DoesNotContain(Glitter(seed: 3).Written, w => w.Iova > 1UL << 40);
        Assert.InRange(Glitter(seed: 3, faults: 0.1).Written.Count(w => w.Iova > 1UL << 40), 350, 450); // of 4000 steps
    }

    [Fact]
    public void Load_counts_exactly_what_listeners_get()
    {
        var session = Open();
        var eventFds = Arm(session, 8);
        long received = 0;
        for (int i = 0; i < 8; i++)
            received += Await(eventFds[i]);

        session.SetBusMaster(false);

        received += eventFds.Sum(e => e.Read());
        Assert.Equal(Pony.TriggeredTotal, received);
        Assert.All(Enumerable.Range(0, 8), v => Assert.InRange(Pony.Triggered(v), Pony.Triggered(7), Pony.Triggered(0)));
        Assert.InRange(Pony.Triggered(0) - Pony.Triggered(7), 0, 1);
        Assert.Equal(0, eventFds.Sum(e => e.Read()));
    }

    [Fact]
    public void Load_stops_when_the_register_says_so_and_begins_again()
    {
        var session = Open();
        var eventFds = Arm(session, 8);
        Await(eventFds[0]);

        session.Bar(0).Write32(Control, 0);
        long before = Pony.TriggeredTotal;
        Assert.Equal(before, Pony.TriggeredTotal);
        foreach (var eventFd in eventFds)
            eventFd.Read();
        session.Bar(0).Write32(Control, 1);
        Await(eventFds[3]);
        session.Bar(0).Write32(Mute, 0x8000_0005);
        long muted = Pony.Triggered(5);
        Await(eventFds[4]);
        Await(eventFds[4]);
        Assert.Equal(muted, Pony.Triggered(5));
    }

    [Fact]
    public void Load_writes_frames_into_real_memory()
    {
        var session = Open();
        var eventFds = Arm(session, 8);
        var memory = Memory(4);
        session.Map([memory.At(0x40000, DmaAccess.DeviceWrites)]);
        var bar = session.Bar(0);
        bar.Write64(RingBase, 0x40000);
        bar.Write32(RingFrameSize, 512);
        bar.Write32(RingFrames, 32);

        ulong consumed = 0;
        while (consumed < 100)
        {
            Await(eventFds[0]);
            for (ulong produced = bar.Read64(RingProduced); consumed < produced; consumed++)
                Assert.Equal(512, PonyPattern.Verify(memory.Bytes.Slice((int)(consumed % 32) * 512, 512), consumed));
            bar.Write64(RingConsumed, consumed);
        }

        Assert.Equal(0UL, bar.Read64(LoadErrors));
        Assert.Empty(Pony.IommuFaults);
    }

    private static Slot Glitter(ulong seed, double faults = 0)
    {
        var slot = new Slot { ArmedVectors = 256 };
        var load = Load(slot, new() { Mode = PonyMode.Glitter, Vectors = 256, Seed = seed, Faults = faults });
        (load.RingFrameSize, load.RingFrames) = (4096, 16);
        for (int i = 0; i < 4000; i++)
        {
            load.Step();
            load.Consumed = load.Produced;
        }

        return slot;
    }

    private static PonyLoad Load(ISimulatedSlot slot, PonyOptions options)
    {
        var load = new PonyLoad(slot, options);
        load.Reset();
        return load;
    }

    private sealed class Slot : ISimulatedSlot
    {
        public List<(int Vector, int Times)> Raised { get; } = [];

        public List<(ulong Iova, byte[] Bytes)> Written { get; } = [];

        public bool IsBusMaster => true;

        public int ArmedVectors { get; init; }

        public bool TryRead(ulong iova, Span<byte> into) => false;

        public bool TryWrite(ulong iova, ReadOnlySpan<byte> from)
        {
            Written.Add((iova, from.ToArray()));
            return iova < 1UL << 40;
        }

        public int Raise(int vector, int times = 1)
        {
            Raised.Add((vector, times));
            return times;
        }

        public void ReadShared(int bar, ulong offset, Span<byte> into)
        {
        }

        public void WriteShared(int bar, ulong offset, ReadOnlySpan<byte> from)
        {
        }

        public void Schedule(TimeSpan delay, Action work)
        {
        }
    }
}
