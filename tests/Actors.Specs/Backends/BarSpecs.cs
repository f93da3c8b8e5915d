using Riser.Actors.Backends;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends;

/// <summary>A BAR of four pages of memory whose second page, where an MSI-X table would be, is not mapped.</summary>
public sealed class BarSpecs : IDisposable
{
    private const ulong Page = 4096;
    private readonly MemoryMapping _memory = MemoryMapping.Create((nuint)(4 * Page), LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS);
    private readonly Trap _trap = new();

    public void Dispose() => _memory.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(Page - 8)]
    [InlineData(2 * Page)]
    [InlineData((4 * Page) - 8)]
    public void Bar_reaches_memory_in_every_mapped_range(ulong offset)
    {
        var bar = Make(0, 2);

        bar.Write64(offset, 0x1122334455667788);

        Assert.Equal((0x88, 0x7788, 0x55667788u, 0x1122334455667788ul), (bar.Read8(offset), bar.Read16(offset), bar.Read32(offset), bar.Read64(offset)));
        Assert.Equal(0x1122334455667788ul, BitConverter.ToUInt64(LibC.SpanOf((ulong)_memory.Address + offset, 8)));
        bar.Write32(offset + 4, 1);
        bar.Write16(offset + 2, 2);
        bar.Write8(offset, 3);
        Assert.Equal(0x0000000100027703ul, bar.Read64(offset));
        Assert.Empty(_trap.Calls);
    }

    [Theory]
    [InlineData(Page, 4)]
    [InlineData((2 * Page) - 1, 1)]
    [InlineData((2 * Page) - 8, 8)]
    public void Bar_asks_the_backend_for_what_is_not_mapped(ulong offset, int width)
    {
        var bar = Make(0, 2);

        bar.Write(offset, width, 5);
        ulong value = bar.Read(offset, width);

        Assert.Equal(Trap.Value, value);
        Assert.Equal([$"write 0x{offset:x} {width}", $"read 0x{offset:x} {width}"], _trap.Calls);
    }

    [Fact]
    public void Bar_reaches_memory_when_nothing_is_mapped_at_its_start()
    {
        var bar = Make(2);

        bar.Write32(2 * Page, 7);

        Assert.Equal(7u, bar.Read32(2 * Page));
        bar.Read32(0);
        Assert.Equal(["read 0x0 4"], _trap.Calls);
    }

    [Theory]
    [InlineData(2, 4, Errno.EINVAL)]
    [InlineData(4 * Page, 1, Errno.EFAULT)]
    [InlineData((4 * Page) - 4, 8, Errno.EINVAL)]
    [InlineData(ulong.MaxValue - 7, 8, Errno.EFAULT)]
    public void Bar_refuses_what_is_misaligned_or_past_its_end(ulong offset, int width, Errno errno)
    {
        var bar = Make(0, 2);

        Assert.Equal(errno, Assert.Throws<PciException>(() => bar.Read(offset, width)).Errno);
        Assert.Equal(errno, Assert.Throws<PciException>(() => bar.Write(offset, width, 1)).Errno);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(Page)]
    [InlineData(2 * Page)]
    public void Bar_refuses_every_access_once_it_has_ended(ulong offset)
    {
        var bar = Make(0, 2);
        var lent = bar.Lend();
        bar.Write32(0, 9);

        lent.Revoke();
        Assert.Equal(Errno.ENODEV, Assert.Throws<PciException>(() => lent.Read32(offset)).Errno);
        Assert.Equal(Errno.ENODEV, Assert.Throws<PciException>(() => lent.Write32(offset, 1)).Errno);
        Assert.Equal(9u, bar.Read32(0));
        bar.End();

        Assert.Equal(Errno.ENODEV, Assert.Throws<PciException>(() => bar.Read32(offset)).Errno);
        Assert.Equal(Errno.ENODEV, Assert.Throws<PciException>(() => bar.Write32(offset, 1)).Errno);
        Assert.Empty(_trap.Calls);
    }

    [Fact]
    public void Access_that_was_under_way_when_its_accessor_was_revoked_does_not_reach_the_device()
    {
        using var registers = MemoryFile.Create("registers", (long)Page);
        MemoryMapping? own = null;
        var bar = new Bar(new BarInfo(0, Page, Readable: true, Writable: true, [(0, Page)]), registers.Map(), _trap, () => own = registers.Map());
        var lent = bar.Lend();
        lent.Write32(0, 1);
        Assert.Equal(1u, bar.Read32(0));

        lent.Revoke();
        LibC.SpanOf((ulong)own!.Address, 4)[0] = 2; // a store that had passed its check

        Assert.Equal(1u, bar.Read32(0));
    }

    // Mapped from page 0 (one page) and from page 2 (two).
    private Bar Make(params int[] pages) =>
        new(new BarInfo(0, 4 * Page, Readable: true, Writable: true, [.. pages.Select(p => ((ulong)p * Page, p == 0 ? Page : 2 * Page))]), _memory, _trap);

    private sealed class Trap : IBarTrap
    {
        public const ulong Value = 0x5a;

        public List<string> Calls { get; } = [];

        public ulong ReadBar(int index, ulong offset, int width)
        {
            Calls.Add($"read 0x{offset:x} {width}");
            return Value;
        }

        public void WriteBar(int index, ulong offset, int width, ulong value) => Calls.Add($"write 0x{offset:x} {width}");
    }
}
