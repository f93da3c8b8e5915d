using Riser.Actors.Backends;
using Riser.Actors.Dma;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends;

/// <summary>
/// What a backend owes to what stands above it where there is no IOMMU and it lets memory be mapped all the same: it says where the device sees it.
/// Derive as from <see cref="BackendContract{TFixture}"/>, which has the rest.
/// </summary>
public abstract class BusAddressContract<TFixture> : IClassFixture<TFixture>
    where TFixture : BackendFixture
{
    private const ulong Page = 4096, HugePage = 2 << 20;
    private const int Many = 16;

    private readonly TFixture _fixture;

    protected BusAddressContract(TFixture fixture) => _fixture = fixture;

    [SkippableFact]
    public void Session_says_that_addresses_are_not_ours_to_choose()
    {
        using var session = Open();
        var iommu = session.Info.Iommu;

        Assert.True(iommu.GivesAddresses);
        Assert.Equal((false, false), (iommu.Present, iommu.Notifies));
        Assert.Empty(iommu.Aperture);
        Assert.Equal(Page, iommu.Alignment);
    }

    [SkippableFact]
    public void Map_says_where_the_device_sees_each_piece_and_unmap_takes_it_by_that()
    {
        using var session = Open();
        using var memory = Scattered();

        var ranges = session.Map(Pages(memory))!;

        Assert.Equal(Many, ranges.Count);
        Assert.All(ranges, range => Assert.Equal((Page, 0UL), (range.Size, range.Start % Page)));
        Assert.Equal(Many, ranges.Select(range => range.Start).Distinct().Count());
        Refused(Errno.EINVAL, () => session.Unmap(ranges[0] with { Size = 2 * Page }));
        foreach (var range in ranges)
            session.Unmap(range);
        Refused(Errno.ENOENT, () => session.Unmap(ranges[0]));
    }

    [SkippableFact]
    public void Map_says_nothing_of_no_pieces()
    {
        using var session = Open();

        Assert.Empty(session.Map([])!);
    }

    [SkippableFact]
    public void Map_refuses_an_iova_that_is_named()
    {
        using var session = Open();
        using var memory = new TestMemory(2 * Page);

        Refused(Errno.EOPNOTSUPP, () => session.Map([Part(memory, 0, 1), Part(memory, 1, 1) with { Iova = 0x100000 }]));
        session.Unmap(session.Map([Part(memory, 0, 1)])![0]); // nothing of it was done
    }

    [SkippableFact]
    public void Map_refuses_memory_that_does_not_lie_in_one_run_and_maps_none_of_the_call()
    {
        using var session = Open();
        using var memory = Scattered();
        var single = session.Map(Pages(memory))!;
        foreach (var range in single)
            session.Unmap(range);
        int apart = Enumerable.Range(1, Many - 1).First(i => single[i].Start != single[i - 1].Start + Page);
        int other = apart > 1 ? 0 : Many - 1;

        var refused = Refused(Errno.EINVAL, () => session.Map([Part(memory, other, 1), Part(memory, apart - 1, 2)]));

        Assert.Contains("one bus address", refused.Why);
        Assert.Equal(Many, session.Map(Pages(memory))!.Count);
    }

    [SkippableFact]
    public void Map_refuses_memory_that_is_mapped_and_maps_none_of_the_call()
    {
        using var session = Open();
        using var memory = new TestMemory(3 * Page);
        session.Map([Part(memory, 0, 1)]);

        Refused(Errno.EEXIST, () => session.Map([Part(memory, 1, 1), Part(memory, 0, 1)]));
        Refused(Errno.EEXIST, () => session.Map([Part(memory, 2, 1), Part(memory, 2, 1)]));
        session.Map([Part(memory, 1, 1), Part(memory, 2, 1)]);
    }

    [SkippableFact]
    public void Map_takes_a_huge_page_as_one_piece()
    {
        using var session = Open();
        using var memory = DmaMemory.Allocate(2 * HugePage, _fixture.HugePages);

        var ranges = session.Map([memory.Piece(0, 0, HugePage, DmaAccess.ReadWrite), memory.Piece(0, HugePage, HugePage, DmaAccess.ReadWrite)])!;

        Assert.All(ranges, range => Assert.Equal((HugePage, 0UL), (range.Size, range.Start % HugePage)));
        session.Unmap(ranges[0]);
        session.Unmap(ranges[1]);
    }

    [SkippableTheory]
    [InlineData(0, 512)]
    [InlineData(512, 0)]
    [InlineData(0, -4096)]
    public void Map_refuses_when_misaligned_or_empty(int address, int size)
    {
        using var session = Open();
        using var memory = new TestMemory(2 * Page);

        Refused(Errno.EINVAL, () => session.Map([new(0, new(memory.Range.Address + (ulong)address, (ulong)(4096 + size)), DmaAccess.ReadWrite)]));
    }

    [SkippableFact]
    public void Map_refuses_memory_that_is_not_there()
    {
        using var session = Open();
        using var nothing = MemoryMapping.Create(4096, LibC.PROT_NONE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS);

        Refused(Errno.EFAULT, () => session.Map([new(0, new((ulong)nothing.Address, Page), DmaAccess.ReadWrite)]));
    }

    [SkippableFact]
    public void Map_forgets_all_when_the_session_ends()
    {
        using var memory = new TestMemory(Page);
        for (int i = 0; i < 2; i++)
        {
            using var session = Open();
            Assert.Single(session.Map([Part(memory, 0, 1)])!);
        }
    }

    private IPciSession Open()
    {
        Skip.If(_fixture.SkipReason is not null, _fixture.SkipReason);
        return _fixture.Backend.Open(_fixture.Device);
    }

    // Each second page first, then those between: whether the kernel gives pages upwards or downwards in one run, neighbours do not lie in one.
    private static TestMemory Scattered()
    {
        var memory = new TestMemory(Many * Page);
        Assert.Equal(0, LibC.madvise((nint)memory.Range.Address, (nuint)memory.Size, LibC.MADV_NOHUGEPAGE));
        foreach (int i in Enumerable.Range(0, Many).OrderBy(i => i % 2))
            memory.Bytes[i * (int)Page] = 1;
        return memory;
    }

    private static DmaPiece[] Pages(TestMemory memory) => [.. Enumerable.Range(0, Many).Select(i => Part(memory, i, 1))];

    private static DmaPiece Part(TestMemory memory, int first, int count) =>
        new(0, new(memory.Range.Address + ((ulong)first * Page), (ulong)count * Page), DmaAccess.ReadWrite);

    private static PciException Refused(Errno errno, Action call)
    {
        var refused = Assert.Throws<PciException>(call);
        Assert.Equal(errno, refused.Errno);
        Assert.NotEmpty(refused.Why);
        Assert.NotEmpty(refused.Fix);
        Assert.Null(refused.Failure);
        return refused;
    }
}
