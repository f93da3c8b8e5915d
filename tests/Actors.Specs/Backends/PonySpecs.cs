using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Interop;
using static Riser.Actors.Backends.Simulation.PonyRegisters;

namespace Riser.Actors.Specs.Backends;

/// <summary>What the pony's registers do.</summary>
public sealed class PonySpecs : SimulationSpec
{
    private const ulong Iova = 0x100000;

    [Fact]
    public void Pony_says_what_it_is()
    {
        var bar = Open().Bar(0);

        Assert.Equal(IdValue, bar.Read32(Id));
        Assert.Equal(1u, bar.Read32(PonyRegisters.Version));
        Assert.Equal(0u, bar.Read32(Mode));
        Assert.Equal(64u, bar.Read32(PonyRegisters.Vectors));
        Assert.Equal((byte)'P', bar.Read8(Id));
        Assert.Equal(((ulong)1 << 32) | IdValue, bar.Read64(Id));
    }

    [Fact]
    public void Doorbell_raises_the_vector_that_is_written()
    {
        var session = Open();
        var eventFds = Arm(session, 4);

        session.Bar(0).Write32(Doorbell, 2);
        session.Bar(0).Write32(Doorbell, 2);
        session.Bar(0).Write32(Doorbell, 60); // not armed: goes nowhere
        session.Bar(0).Write32(Doorbell, uint.MaxValue);

        Assert.Equal([0, 0, 2, 0], eventFds.Select(e => e.Read()));
        Assert.Equal(2, Pony.Triggered(2));
        Assert.Equal(2, Pony.TriggeredTotal);
    }

    [Fact]
    public void Engine_copies_memory_and_raises_its_completion()
    {
        var session = Open();
        var done = Arm(session, 2)[1];
        var (source, target) = (Memory(64), Memory(64));
        session.Map([source.At(Iova, DmaAccess.DeviceReads), target.At(Iova * 16, DmaAccess.DeviceWrites)]);
        new Random(1).NextBytes(source.Bytes);

        Run(session, PonyCommand.Copy, Iova, Iova * 16, source.Size, vector: 1);

        Assert.Equal(1, Await(done));
        Assert.Equal(StatusDone, session.Bar(0).Read32(Status));
        Assert.True(source.Bytes.SequenceEqual(target.Bytes));
        Assert.Equal(source.Size, session.Bar(0).Read64(Moved));
        Assert.Equal(PonyPattern.Checksum(source.Bytes), session.Bar(0).Read64(Checksum));
        Assert.Equal(1UL, session.Bar(0).Read64(Commands));
        session.Bar(0).Write32(Status, StatusDone);
        Assert.Equal(0u, session.Bar(0).Read32(Status));
    }

    [Fact]
    public void Engine_crosses_pieces_that_only_meet_in_the_iommu()
    {
        var session = Open();
        var done = Arm(session, 1)[0];
        var (first, second) = (Memory(1), Memory(1));
        session.Map([second.At(Iova + 4096), first.At(Iova)]);
        session.Bar(0).Write64(Pattern, 7);

        Run(session, PonyCommand.Fill, 0, Iova + 100, 8000);

        Await(done);
        Assert.True(PonyPattern.Matches(first.Bytes[100..], 7));
        Assert.Equal(0, second.Bytes[8100 - 4096]);
        Assert.NotEqual(0, second.Bytes[8099 - 4096] | second.Bytes[8098 - 4096]);
    }

    [Fact]
    public void Engine_moves_between_memory_and_bar_2()
    {
        var session = Open();
        var done = Arm(session, 1)[0];
        var memory = Memory(2);
        session.Map([memory.At(Iova)]);
        new Random(2).NextBytes(memory.Bytes[..4096]);

        Run(session, PonyCommand.FromMemory, Iova, 1000, 4096);
        Await(done);
        Assert.Equal(memory.Bytes[0], session.Bar(2).Read8(1000));
        session.Bar(2).Write8(1000, 0x5a);
        Run(session, PonyCommand.ToMemory, 1000, Iova + 4096, 4096);
        Await(done);

        Assert.Equal(0x5a, memory.Bytes[4096]);
        Assert.True(memory.Bytes[1..4096].SequenceEqual(memory.Bytes[4097..]));
    }

    [Theory]
    [InlineData(PonyCommand.Copy, 0x900000, 0x100000, IommuFaultReason.NotMapped, false)]
    [InlineData(PonyCommand.Copy, 0x100000, 0x900000, IommuFaultReason.NotMapped, true)]
    [InlineData(PonyCommand.Fill, 0, 0x200000, IommuFaultReason.NotAllowed, true)]
    [InlineData(PonyCommand.Sum, 0x300000, 0, IommuFaultReason.NotAllowed, false)]
    public void Engine_is_refused_what_is_not_mapped_or_not_allowed(PonyCommand command, ulong source, ulong destination, IommuFaultReason reason, bool write)
    {
        var session = Open();
        var done = Arm(session, 1)[0];
        session.Map([Memory(1).At(0x100000), Memory(1).At(0x200000, DmaAccess.DeviceReads), Memory(1).At(0x300000, DmaAccess.DeviceWrites)]);

        Run(session, command, source, destination, 64);

        Await(done);
        Assert.Equal(StatusError, session.Bar(0).Read32(Status));
        Assert.Equal((uint)PonyError.Refused, session.Bar(0).Read32(Error));
        Assert.Equal(new IommuFault(write ? destination : source, write, reason), Assert.Single(Pony.IommuFaults));
    }

    [Theory]
    [InlineData(PonyCommand.Copy, 0, 0)]
    [InlineData((PonyCommand)99, 0, 64)]
    [InlineData(PonyCommand.ToMemory, 65536, 1)]
    [InlineData(PonyCommand.ToMemory, 1, 65536)]
    [InlineData(PonyCommand.ToMemory, ulong.MaxValue, 2)]
    public void Engine_refuses_a_command_that_makes_no_sense(PonyCommand command, ulong source, ulong length)
    {
        var session = Open();
        var done = Arm(session, 1)[0];

        Run(session, command, source, Iova, length);

        Await(done);
        Assert.Equal((uint)PonyError.BadCommand, session.Bar(0).Read32(Error));
        Assert.Empty(Pony.IommuFaults);
    }

    [Fact]
    public void Engine_never_reaches_memory_after_unmap_returns()
    {
        var session = Open();
        Arm(session, 1);
        var memory = Memory(256);
        for (int round = 0; round < 50; round++)
        {
            session.Map([memory.At(Iova)]);
            session.Bar(0).Write64(Pattern, (ulong)round + 1);
            Run(session, PonyCommand.Fill, 0, Iova, memory.Size);
            session.Unmap(memory.At(Iova).Range);
            memory.Bytes.Clear();
            Run(session, PonyCommand.Stop, 0, 0, 0);
            Assert.False(memory.Bytes.ContainsAnyExcept((byte)0));
        }
    }

    [Fact]
    public void Engine_and_messages_stop_when_bus_mastering_is_off()
    {
        var session = Open();
        var eventFd = Arm(session, 1)[0];
        session.Map([Memory(1).At(Iova)]);
        session.SetBusMaster(false);

        Run(session, PonyCommand.Fill, 0, Iova, 64);
        session.Bar(0).Write32(Doorbell, 0);
        Assert.Equal(0, Pony.Raise(0));

        Assert.Equal(0, eventFd.Read());
        session.SetBusMaster(true);
        session.Bar(0).Write32(Doorbell, 0);
        Assert.InRange(Await(eventFd), 1, 2); // the command's own end may come after bus mastering is on again
    }

    [Fact]
    public void Reset_gives_registers_and_memory_their_first_values()
    {
        var session = Open();
        Arm(session, 1);
        session.Bar(0).Write32(Scratch, 5);
        session.Bar(2).Write32(0, 6);

        session.Reset();

        Assert.Equal(0u, session.Bar(0).Read32(Scratch));
        Assert.Equal(0u, session.Bar(2).Read32(0));
        Assert.True(Pony.IsBusMaster);
        Assert.Equal([0], Pony.ArmedVectors);
    }

    [Fact]
    public void Registers_answer_ones_when_memory_decoding_or_power_is_off()
    {
        var session = Open();
        ulong command = session.ReadConfig(4, 2);
        session.WriteConfig(4, 2, command & ~2UL);
        Assert.Equal(uint.MaxValue, session.Bar(0).Read32(Id));
        session.WriteConfig(4, 2, command);
        Assert.Equal(IdValue, session.Bar(0).Read32(Id));

        int power = (int)session.ReadConfig(0x34, 1) + 4;
        session.WriteConfig(power, 2, 3);
        Assert.Equal(uint.MaxValue, session.Bar(0).Read32(Id));
        session.WriteConfig(power, 2, 0);
        Assert.Equal(IdValue, session.Bar(0).Read32(Id));
    }

    [Fact]
    public void Msix_table_shows_masks_and_pending_bits_and_cannot_be_written()
    {
        var session = Open();
        Arm(session, 64);
        session.Mask(VectorKind.MsiX, 9, true);
        Pony.Raise(9);

        var bar = session.Bar(4);
        Assert.Equal(1u, bar.Read32((9 * 16) + 12));
        Assert.Equal(0u, bar.Read32((8 * 16) + 12));
        Assert.Equal(1UL << 9, bar.Read64(4096));
        Refused(Errno.EACCES, () => bar.Write32(12, 1));
        session.Mask(VectorKind.MsiX, 9, false);
        Assert.Equal(0UL, bar.Read64(4096));
    }

    private static void Run(IPciSession session, PonyCommand command, ulong source, ulong destination, ulong length, uint vector = 0)
    {
        var bar = session.Bar(0);
        bar.Write64(Source, source);
        bar.Write64(Destination, destination);
        bar.Write64(Length, length);
        bar.Write32(CompletionVector, vector);
        bar.Write32(Command, (uint)command);
    }
}
