using Riser.Actors.Backends;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends;

/// <summary>Mapping and unmapping.</summary>
public abstract partial class BackendContract<TFixture>
{
    // A place in the largest range of the aperture, offset by whole pages from its first 4 MiB boundary.
    private static ulong Iova(IPciSession session, ulong pages)
    {
        var range = session.Info.Iommu.Aperture.MaxBy(a => a.Size);
        return ((range.Start + 0x3fffff) & ~0x3fffffUL) + (pages * 4096);
    }

    private IPciSession OpenForDma()
    {
        var session = Open();
        if (session.Info.Iommu.Present)
            return session;
        session.Dispose();
        throw new SkipException("There is no IOMMU: IOVAs are not ours to choose.");
    }

    [SkippableFact]
    public void Map_then_unmap_leaves_nothing()
    {
        using var session = OpenForDma();
        using var memory = new TestMemory(3 * 4096);
        var piece = memory.At(Iova(session, 0));

        for (int i = 0; i < 3; i++)
        {
            session.Map([piece]);
            session.Unmap(piece.Range);
        }

        Refused(Errno.ENOENT, () => session.Unmap(piece.Range));
    }

    [SkippableFact]
    public void Map_accepts_no_pieces() => Try(session => session.Map([]));

    [SkippableFact]
    public void Map_refuses_an_overlap_and_maps_none_of_the_call()
    {
        using var session = OpenForDma();
        using var memory = new TestMemory(2 * 4096);
        using var other = new TestMemory(4096);
        session.Map([memory.At(Iova(session, 1))]);

        Refused(Errno.EEXIST, () => session.Map([other.At(Iova(session, 8)), other.At(Iova(session, 2))]));
        Refused(Errno.EEXIST, () => session.Map([other.At(Iova(session, 8)), other.At(Iova(session, 8))]));
        Refused(Errno.EEXIST, () => session.Map([other.At(Iova(session, 2)), other.At(Iova(session, 8))]));
        Refused(Errno.ENOENT, () => session.Unmap(new(Iova(session, 8), 4096)));
        session.Map([other.At(Iova(session, 0)), other.At(Iova(session, 8))]); // on both sides of it
        foreach (ulong around in (ulong[])[0, 8])
            session.Unmap(new(Iova(session, around), 4096));
        session.Unmap(new(Iova(session, 1), 2 * 4096));
    }

    [SkippableTheory]
    [InlineData(1, 0, 0)]
    [InlineData(0, 1, 0)]
    [InlineData(0, 0, 1)]
    [InlineData(512, 0, 0)]
    [InlineData(0, 512, 0)]
    [InlineData(0, 0, 512)]
    public void Map_refuses_when_misaligned(int iova, int address, int size)
    {
        using var session = OpenForDma();
        using var memory = new TestMemory(4 * 4096);
        var host = new HostRange(memory.Range.Address + (ulong)address, 4096 + (ulong)size);

        Refused(Errno.EINVAL, () => session.Map([new(Iova(session, 0) + (ulong)iova, host, DmaAccess.ReadWrite)]));
    }

    [SkippableFact]
    public void Map_refuses_an_empty_piece() => Try(session =>
    {
        using var memory = new TestMemory(4096);
        Refused(Errno.EINVAL, () => session.Map([new(Iova(session, 0), memory.Range with { Size = 0 }, DmaAccess.ReadWrite)]));
    });

    [SkippableFact]
    public void Map_refuses_an_iova_that_wraps() => Try(session =>
    {
        using var memory = new TestMemory(2 * 4096);
        Refused(Errno.EOVERFLOW, () => session.Map([memory.At(ulong.MaxValue - 4095)]));
    });

    [SkippableFact]
    public void Map_refuses_an_iova_outside_the_aperture() => Try(session =>
    {
        using var memory = new TestMemory(4096);
        var last = session.Info.Iommu.Aperture.MaxBy(a => a.Last);
        Skip.If(last.Last == ulong.MaxValue, "The aperture has no end.");
        Refused(Errno.EINVAL, () => session.Map([memory.At(last.Last + 1)]));
    });

    [SkippableFact]
    public void Map_refuses_a_reserved_range() => Try(session =>
    {
        using var memory = new TestMemory(4096);
        var ranges = session.Info.Iommu.Aperture.OrderBy(a => a.Start).ToArray();
        Skip.If(ranges.Length < 2, "The aperture has no gap.");
        Refused(Errno.EINVAL, () => session.Map([memory.At(ranges[0].Last + 1)]));
    });

    [SkippableFact]
    public void Map_refuses_memory_that_is_not_there() => Try(session =>
    {
        // An address range that is taken and has nothing behind it: one that is free may be anyone's by now.
        using var nothing = MemoryMapping.Create(4096, LibC.PROT_NONE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS);
        Refused(Errno.EFAULT, () => session.Map([new(Iova(session, 0), new((ulong)nothing.Address, 4096), DmaAccess.ReadWrite)]));
    });

    [SkippableFact]
    public void Unmap_refuses_what_is_not_exactly_a_piece()
    {
        using var session = OpenForDma();
        using var memory = new TestMemory(4 * 4096);
        var piece = memory.At(Iova(session, 0));
        session.Map([piece]);

        Refused(Errno.EINVAL, () => session.Unmap(new(piece.Iova, 4096)));
        Refused(Errno.EINVAL, () => session.Unmap(new(piece.Iova, 8 * 4096)));
        Refused(Errno.ENOENT, () => session.Unmap(new(piece.Iova + 4096, 4096)));
        session.Unmap(piece.Range);
    }

    [SkippableFact]
    public void Map_keeps_neighbours_apart()
    {
        using var session = OpenForDma();
        using var memory = new TestMemory(2 * 4096);
        DmaPiece[] pieces = [.. Enumerable.Range(0, 2).Select(i => new DmaPiece(Iova(session, (ulong)i), new(memory.Range.Address + (ulong)(i * 4096), 4096), DmaAccess.ReadWrite))];

        session.Map(pieces);
        session.Unmap(pieces[0].Range);
        Refused(Errno.ENOENT, () => session.Unmap(pieces[0].Range));
        session.Unmap(pieces[1].Range);
    }

    [SkippableFact]
    public void Map_forgets_all_when_the_session_ends()
    {
        using var memory = new TestMemory(4096);
        for (int i = 0; i < 2; i++)
        {
            using var session = OpenForDma();
            session.Map([memory.At(Iova(session, 0))]);
        }
    }

    private void Try(Action<IPciSession> spec)
    {
        using var session = OpenForDma();
        spec(session);
    }
}
