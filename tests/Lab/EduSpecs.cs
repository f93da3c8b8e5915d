using System.Diagnostics;
using Riser.Actors.Backends;
using Riser.Actors.Interop;
using Riser.Actors.Specs.Backends;

namespace Riser.Lab.Specs;

public sealed class EduSpecs : IDisposable
{
    private const ulong Iova = 0x200000;
    private readonly Edu _edu;

    public EduSpecs()
    {
        Skip.If(Lab.SkipReason is not null, Lab.SkipReason);
        _edu = new(Lab.Backend().Open(Lab.Device("EDU")));
    }

    public void Dispose() => _edu.Dispose();

    [SkippableFact]
    public void Registers_are_reached_through_the_mapping()
    {
        Assert.Equal(0x010000edu, _edu.Registers.Read32(0));
        _edu.Registers.Write32(4, 0x12345678);
        Assert.Equal(~0x12345678u, _edu.Registers.Read32(4));
        Assert.Equal([(0UL, 0x100000UL)], _edu.Registers.Info.Mapped);
    }

    [SkippableFact]
    public void Factorial_is_computed_and_its_interrupt_arrives()
    {
        _edu.Registers.Write32(0x20, 0x80); // interrupt when done
        _edu.Registers.Write32(0x08, 10);

        Assert.Equal(1, Lab.Count(_edu.Interrupts));
        Assert.Equal(3628800u, _edu.Registers.Read32(8));
        Assert.Equal(1u, _edu.Registers.Read32(0x24));
        _edu.Registers.Write32(0x64, 1);
    }

    [SkippableFact]
    public void Each_raised_interrupt_is_counted()
    {
        for (uint i = 1; i <= 1000; i++)
        {
            _edu.Registers.Write32(0x60, i);
            Assert.Equal(1, Lab.Count(_edu.Interrupts));
            _edu.Registers.Write32(0x64, i);
        }

        Assert.Equal(0, _edu.Interrupts.Read());
    }

    [SkippableFact]
    public void Hardware_is_silent_when_bus_mastering_is_off()
    {
        _edu.Session.SetBusMaster(false);
        _edu.Registers.Write32(0x60, 1);
        Assert.Equal(0, Lab.Count(_edu.Interrupts, seconds: 1));

        _edu.Session.SetBusMaster(true);
        _edu.Registers.Write32(0x64, 1);
        _edu.Registers.Write32(0x60, 2);
        Assert.Equal(1, Lab.Count(_edu.Interrupts));
    }

    [SkippableFact]
    public void Bytes_come_back_as_they_went_when_moved_through_the_device()
    {
        using var memory = new TestMemory(2 * 4096);
        _edu.Session.Map([memory.At(Iova)]);
        new Random(1).NextBytes(memory.Bytes[..4096]);

        _edu.Copy(Iova, Edu.Buffer, 4096, toRam: false);
        _edu.Copy(Edu.Buffer, Iova + 4096, 4096, toRam: true);

        Assert.True(memory.Bytes[..4096].SequenceEqual(memory.Bytes[4096..]));
        Assert.True(memory.Bytes.ContainsAnyExcept((byte)0));
    }

    [SkippableFact]
    public void Nothing_arrives_when_the_iova_is_not_mapped()
    {
        using var memory = new TestMemory(4096);
        memory.Bytes.Fill(0x5a);
        var piece = memory.At(Iova);
        _edu.Session.Map([piece]);
        _edu.Copy(Iova, Edu.Buffer, 4096, toRam: false);
        memory.Bytes.Fill(0xa5);
        _edu.Session.Unmap(piece.Range);

        _edu.Copy(Edu.Buffer, Iova, 4096, toRam: true);

        Assert.False(memory.Bytes.ContainsAnyExcept((byte)0xa5));
    }

    [SkippableFact]
    public void Nothing_is_written_when_the_device_may_only_read()
    {
        using var memory = new TestMemory(4096);
        memory.Bytes.Fill(0xa5);
        _edu.Session.Map([memory.At(Iova, DmaAccess.DeviceReads)]);

        _edu.Copy(Edu.Buffer, Iova, 4096, toRam: true);

        Assert.False(memory.Bytes.ContainsAnyExcept((byte)0xa5));
    }

    [SkippableFact]
    public void Discontiguous_pieces_are_one_range_to_the_device()
    {
        using var first = new TestMemory(4096);
        using var second = new TestMemory(4096);
        _edu.Session.Map([second.At(Iova + 4096), first.At(Iova)]);
        first.Bytes.Fill(1);
        second.Bytes.Fill(2);

        _edu.Copy(Iova + 2048, Edu.Buffer, 4096, toRam: false);
        _edu.Copy(Edu.Buffer, Iova, 4096, toRam: true);

        Assert.False(first.Bytes[..2048].ContainsAnyExcept((byte)1));
        Assert.False(first.Bytes[2048..].ContainsAnyExcept((byte)2));
    }

    [SkippableFact]
    public void Registers_stay_reachable_when_memory_decoding_is_written_off()
    {
        _edu.Session.WriteConfig(4, 2, 0);

        Assert.Equal(0x010000edu, _edu.Registers.Read32(0));
    }

    [SkippableFact]
    public void Mapping_and_unmapping_leaves_no_locked_memory()
    {
        using var memory = new TestMemory(4 << 20);
        ulong before = Actors.Backends.Hardware.Memlock.Now().Locked;
        int cycles = Soak.Specs.Soak.Length(full: 100_000, brief: 20);
        for (int i = 0; i < cycles; i++)
        {
            _edu.Session.Map([memory.At(Iova)]);
            Assert.Equal(before + memory.Size, Actors.Backends.Hardware.Memlock.Now().Locked);
            _edu.Session.Unmap(new(Iova, memory.Size));
        }

        Assert.Equal(before, Actors.Backends.Hardware.Memlock.Now().Locked);
        Lab.Tell($"locked memory never leaks: {cycles:N0} times 4 MiB mapped and unmapped by VFIO: VmLck as before");
    }
}
