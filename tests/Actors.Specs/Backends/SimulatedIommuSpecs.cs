using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;

namespace Riser.Actors.Specs.Backends;

/// <summary>Limits of the simulated IOMMU, and memory that goes away under it.</summary>
public sealed class SimulatedIommuSpecs() : SimulationSpec("devices { pony0 { vectors = 2 } }\n iommu { max-mappings = 3, memlock = 40KiB, address-width = 40, reserved = [\"0xfee00000-0xfeefffff\", \"0x0-0xfff\"] }")
{
    private const ulong Iova = 0x10000;

    [Fact]
    public void Aperture_is_what_the_configuration_says()
    {
        Assert.Equal([new(0x1000, 0xfedff000), new(0xfef00000, (1UL << 40) - 0xfef00000)], Open().Info.Iommu.Aperture);
        Assert.Equal(3, Open2().Info.Iommu.MaxMappings);
    }

    [Fact]
    public void Map_refuses_more_mappings_than_allowed_and_maps_none()
    {
        var session = Open();
        var memory = Memory(1);
        session.Map([memory.At(Iova), memory.At(Iova * 2)]);

        Refused(Errno.ENOSPC, () => session.Map([memory.At(Iova * 3), memory.At(Iova * 4)]));
        session.Map([memory.At(Iova * 3)]);
        Assert.Equal(3, Pony.Mappings.Count);
    }

    [Fact]
    public void Map_refuses_more_memory_than_allowed_and_says_needed_against_allowed()
    {
        var session = Open();
        session.Map([Memory(8).At(Iova)]);

        var refused = Refused(Errno.ENOMEM, () => session.Map([Memory(2).At(Iova * 2), Memory(1).At(Iova * 3)]));

        Assert.Contains("45056", refused.Message);
        Assert.Contains("40960", refused.Message);
        Assert.Single(Pony.Mappings);
        session.Unmap(new(Iova, 8 * 4096));
        Assert.Equal(0UL, Backend.Locked.Used);
    }

    [Fact]
    public void Map_refuses_memory_that_cannot_be_written()
    {
        var session = Open();
        using var readOnly = MemoryMapping.Create(4096, LibC.PROT_READ, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS);
        var range = new HostRange((ulong)readOnly.Address, 4096);

        Refused(Errno.EFAULT, () => session.Map([new(Iova, range, DmaAccess.ReadWrite)]));
        Assert.Equal(0UL, Backend.Locked.Used);
        session.Map([new(Iova, range, DmaAccess.DeviceReads)]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Memory_file_stays_with_the_iommu_when_the_program_unmaps_it(bool isSealed)
    {
        var session = Open();
        var done = Arm(session, 1)[0];
        using var file = new FileDescriptor(LibC.memfd_create("spec", LibC.MFD_CLOEXEC | LibC.MFD_ALLOW_SEALING));
        LibC.ftruncate(file.Number, 8192);
        var mapping = MemoryMapping.Create(8192, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_SHARED, file.Number);
        if (isSealed)
            Assert.Equal(0, LibC.fcntl(file.Number, LibC.F_ADD_SEALS, LibC.F_SEAL_SHRINK | LibC.F_SEAL_GROW | LibC.F_SEAL_FUTURE_WRITE));
        session.Map([new(Iova, new((ulong)mapping.Address + 4096, 4096), DmaAccess.ReadWrite) { Memfd = file, MemfdOffset = 4096 }]);

        mapping.Dispose();
        Fill(session, done);

        byte[] seen = new byte[4096];
        Read(file, 4096, seen);
        Assert.True(PonyPattern.Matches(seen, 0));
        Read(file, 0, seen);
        Assert.False(seen.AsSpan().ContainsAnyExcept((byte)0));
        session.Unmap(new(Iova, 4096));
    }

    [SkippableFact]
    public void Foreign_memory_that_is_unmapped_is_never_written_again()
    {
        Skip.IfNot(MemoryWatch.IsSupported(out string? why), why);
        var session = Open();
        var done = Arm(session, 1)[0];
        using var reserved = MemoryMapping.Create(4096, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS);
        session.Map([new(Iova, new((ulong)reserved.Address, 4096), DmaAccess.ReadWrite)]);

        reserved.Blank(); // another mapping over it: the address is in use again, by somebody else
        var give = DateTime.UtcNow.AddSeconds(10);
        while (!Fill(session, done).HasFlag(PonyError.Refused))
            Assert.True(DateTime.UtcNow < give);

        Assert.Contains(new(Iova, true, IommuFaultReason.MemoryGone), Pony.IommuFaults);
        session.Unmap(new(Iova, 4096));
    }

    [Fact]
    public void Invalidation_is_told_and_stops_dma()
    {
        var session = Open();
        var done = Arm(session, 1)[0];
        using var notice = EventFdHandle.Create();
        session.Connect(SessionNotice.Invalidation, notice);
        var memory = Memory(2);
        session.Map([memory.At(Iova)]);

        Pony.Invalidate(new(memory.Range.Address + 4096, 4096));

        Assert.Equal(1, notice.Read());
        Assert.Equal([new(memory.At(Iova).Range, InvalidationCause.Unmapped)], session.TakeInvalidations());
        Assert.Empty(session.TakeInvalidations());
        Assert.Equal(PonyError.Refused, Fill(session, done));
        session.Unmap(memory.At(Iova).Range);
    }

    private IPciSession Open2()
    {
        Pony.SurpriseRemove();
        Pony.Replug();
        return Open();
    }

    private static PonyError Fill(IPciSession session, EventFdHandle done)
    {
        var bar = session.Bar(0);
        bar.Write64(PonyRegisters.Destination, Iova);
        bar.Write64(PonyRegisters.Length, 4096);
        bar.Write32(PonyRegisters.CompletionVector, 0);
        bar.Write32(PonyRegisters.Command, (uint)PonyCommand.Fill);
        Await(done);
        return (PonyError)bar.Read32(PonyRegisters.Error);
    }

    private static unsafe void Read(FileDescriptor file, long offset, byte[] into)
    {
        fixed (byte* buffer = into)
            Assert.Equal(into.Length, LibC.pread(file.Number, buffer, (nuint)into.Length, offset));
    }
}
