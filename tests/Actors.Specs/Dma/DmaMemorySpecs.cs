using System.Globalization;
using Riser.Actors.Backends;
using Riser.Actors.Dma;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Dma;

/// <summary>What DMA memory is made of, as the kernel tells it (/proc/self/smaps, fcntl(2)).</summary>
public sealed class DmaMemorySpecs
{
    private const ulong Page = 4096, HugePage = 2 << 20;

    [Theory]
    [InlineData(DmaMemoryKind.Normal, "dc nh")] // not copied on fork, no huge pages
    [InlineData(DmaMemoryKind.Huge, "dc hg")]
    [InlineData(DmaMemoryKind.Shared, "dc sh")]
    public void Memory_is_kept_from_fork_and_made_of_the_pages_that_were_asked_for(DmaMemoryKind kind, string flags)
    {
        using var memory = DmaMemory.Allocate(2 * HugePage, kind);

        Assert.Superset(flags.Split(' ').ToHashSet(StringComparer.Ordinal), Flags(memory.Range.Address));
        Assert.Equal(kind == DmaMemoryKind.Huge ? 0UL : memory.Range.Address % Page, memory.Range.Address % (kind == DmaMemoryKind.Huge ? HugePage : Page));
        Assert.False(memory.Span(0, (int)memory.Size).ContainsAnyExcept((byte)0));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Memory_of_a_device_is_its_file_from_the_first_byte_on(bool huge)
    {
        ulong asked = 0;
        using var memory = DmaMemory.FromDevice(HugePage + 1, huge, (size, _) => MemoryFile.Create("buffer", (long)(asked = size)));
        using var again = MemoryMapping.Create((nuint)asked, LibC.PROT_READ, LibC.MAP_SHARED, memory.Memfd!.Number);

        memory.Span(0, 4)[0] = 1;
        memory.Span(asked - 1, 1)[0] = 2;

        Assert.Equal(huge ? 2 * HugePage : HugePage + Page, asked);
        Assert.Equal(0UL, huge ? memory.Range.Address % HugePage : 0);
        Assert.Equal((1, 2), (LibC.SpanOf((ulong)again.Address, 1)[0], LibC.SpanOf((ulong)again.Address + asked - 1, 1)[0]));
        Assert.Superset(new HashSet<string>(["dc", "sh"], StringComparer.Ordinal), Flags(memory.Range.Address));
    }

    [SkippableFact]
    public void Reserved_huge_pages_are_taken_or_refused_with_the_setting_that_reserves_them()
    {
        ulong free = ulong.Parse(File.ReadAllText("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"), CultureInfo.InvariantCulture);
        if (free > 0)
        {
            using var memory = DmaMemory.Allocate(1, DmaMemoryKind.HugeTlb);
            Assert.Equal(HugePage, memory.Size);
            Assert.Superset(new HashSet<string>(["dc", "ht"], StringComparer.Ordinal), Flags(memory.Range.Address));
        }

        var refused = Assert.Throws<PciException>(() => DmaMemory.Allocate((free + 1) * HugePage, DmaMemoryKind.HugeTlb));
        Assert.Equal(Errno.ENOMEM, refused.Errno);
        Assert.Contains($"vm.nr_hugepages={free + 1}", refused.Fix, StringComparison.Ordinal);
    }

    [Fact]
    public void Shared_memory_can_neither_shrink_nor_grow_nor_be_written_by_a_new_mapping()
    {
        using var memory = DmaMemory.Allocate(2 * Page, DmaMemoryKind.Shared);
        int fd = memory.Memfd!.Number;

        foreach (ulong size in new[] { Page, 3 * Page })
        {
            Assert.NotEqual(0, LibC.ftruncate(fd, (long)size));
            Assert.Equal(Errno.EPERM, LibC.LastErrno);
        }
        var refused = Assert.Throws<NativeException>(() => MemoryMapping.Create((nuint)Page, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_SHARED, fd));
        Assert.Equal(Errno.EPERM, refused.Errno);
        using var reading = MemoryMapping.Create((nuint)Page, LibC.PROT_READ, LibC.MAP_SHARED, fd);
        memory.Span(0, 1)[0] = 7; // the mapping that was there before still can
        Assert.Equal(7, LibC.SpanOf((ulong)reading.Address, 1)[0]);
    }

    [Fact]
    public void Memory_that_was_given_back_reads_as_zeros_at_an_address_that_stays_taken()
    {
        var memory = DmaMemory.Allocate(Page);
        memory.Span(0, 1)[0] = 7;

        memory.Dispose();

        Assert.Equal(0, memory.Span(0, 1)[0]);
        GC.KeepAlive(memory);
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(ulong.MaxValue)]
    public void A_size_that_cannot_be_is_refused(ulong size) =>
        Assert.Equal(Errno.EINVAL, Assert.Throws<PciException>(() => DmaMemory.Allocate(size)).Errno);

    [Theory]
    [InlineData(1UL, Page)]
    [InlineData(Page, 1UL)]
    [InlineData(Page, 0UL)]
    [InlineData(0xffff_ffff_ffff_f000, 2 * Page)]
    public void A_range_that_is_no_range_of_pages_is_refused(ulong address, ulong size) =>
        Assert.Equal(Errno.EINVAL, Assert.Throws<PciException>(() => DmaMemory.FromRange(new(address, size))).Errno);

    [Theory]
    [InlineData(Page, 1)]
    [InlineData(0UL, 4097)]
    [InlineData(0UL, -1)]
    [InlineData(ulong.MaxValue, 1)]
    public void Bytes_outside_the_memory_are_refused(ulong offset, int length)
    {
        using var memory = DmaMemory.Allocate(Page);
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Span(offset, length).Length);
    }

    // VmFlags of the mapping that has an address (proc_pid_smaps(5)).
    private static HashSet<string> Flags(ulong address)
    {
        bool inside = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string first = line.Split(' ')[0];
            if (first.Split('-') is [var start, var end] && ulong.TryParse(start, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong from) && ulong.TryParse(end, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong to))
                inside = from <= address && address < to;
            else if (inside && line.StartsWith("VmFlags:", StringComparison.Ordinal))
                return [.. line["VmFlags:".Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)];
        }
        throw new InvalidOperationException($"0x{address:x} is not mapped.");
    }
}
