using System.Collections.Concurrent;
using Riser.Actors.Backends;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;

namespace Riser.Actors.Specs.Reactor;

public sealed class MemoryWatchSpecs
{
    private const int Huge = 2 << 20;

    private readonly BlockingCollection<MemoryEvent> _events = [];

    /// <summary>Every kind of memory that can be watched and dropped.</summary>
    public enum Kind
    {
        Anonymous,
        TransparentHuge,
        SharedAnonymous,
        Memfd,
        HugeTlb,
    }

    [SkippableTheory]
    [MemberData(nameof(Kinds))]
    public void Watch_tells_of_memory_that_is_unmapped(Kind kind)
    {
        using var memory = Memory.Map(kind, 4);
        using var watch = Watch(memory.Range);

        memory.Unmap(0, 4);

        Expect(MemoryEventKind.Unmapped, memory.Part(0, 4));
    }

    [SkippableTheory]
    [MemberData(nameof(Kinds))]
    public void Watch_tells_which_part_is_unmapped(Kind kind)
    {
        using var memory = Memory.Map(kind, 4);
        using var watch = Watch(memory.Range);

        memory.Unmap(1, 2);
        Expect(MemoryEventKind.Unmapped, memory.Part(1, 2));

        memory.Unmap(3, 1);
        Expect(MemoryEventKind.Unmapped, memory.Part(3, 1));
        memory.Unmap(0, 1);
        Expect(MemoryEventKind.Unmapped, memory.Part(0, 1));
        Silence();
    }

    [SkippableTheory]
    [MemberData(nameof(Kinds))]
    public void Watch_tells_of_content_that_is_dropped(Kind kind)
    {
        using var memory = Memory.Map(kind, 4);
        using var watch = Watch(memory.Range);

        memory.Advise(1, 2, LibC.MADV_DONTNEED);
        Expect(MemoryEventKind.Dropped, memory.Part(1, 2));

        memory.Advise(1, 2, LibC.MADV_DONTNEED);
        Expect(MemoryEventKind.Dropped, memory.Part(1, 2));
    }

    [SkippableTheory]
    [InlineData(Kind.SharedAnonymous)]
    [InlineData(Kind.Memfd)]
    public void Watch_tells_of_pages_that_are_removed_from_their_file(Kind kind)
    {
        using var memory = Memory.Map(kind, 4);
        using var watch = Watch(memory.Range);

        memory.Advise(0, 2, LibC.MADV_REMOVE);

        Expect(MemoryEventKind.Dropped, memory.Part(0, 2));
    }

    [SkippableTheory]
    [InlineData(Kind.Anonymous)]
    [InlineData(Kind.TransparentHuge)]
    [InlineData(Kind.SharedAnonymous)]
    [InlineData(Kind.Memfd)]
    public void Watch_tells_where_memory_was_moved_and_stops_watching_it(Kind kind)
    {
        using var memory = Memory.Map(kind, 4);
        using var target = Memory.Map(kind, 4);
        using var watch = Watch(memory.Range);

        memory.Move(1, 2, target.Range.Address);

        Assert.Equal(new MemoryEvent(MemoryEventKind.Moved, memory.Part(1, 2), target.Range.Address), Take());
        target.Unmap(0, 2);
        Silence();
    }

    [SkippableFact]
    public void Watch_tells_of_memory_that_another_mapping_replaces()
    {
        using var memory = Memory.Map(Kind.Anonymous, 4);
        using var watch = Watch(memory.Range);

        memory.Replace(2, 1);

        Expect(MemoryEventKind.Unmapped, memory.Part(2, 1));
    }

    [SkippableFact]
    public void Watch_tells_only_of_its_own_range()
    {
        using var memory = Memory.Map(Kind.Anonymous, 8);
        using var watch = Watch(memory.Part(2, 3));

        memory.Unmap(0, 2);
        memory.Unmap(4, 4);

        Expect(MemoryEventKind.Unmapped, memory.Part(4, 1));
        Silence();
    }

    [SkippableFact]
    public void Watchers_may_overlap_and_one_that_ends_takes_nothing_from_the_other()
    {
        using var memory = Memory.Map(Kind.Anonymous, 8);
        using var first = Watch(memory.Part(0, 6));
        var second = Watch(memory.Part(4, 4));

        memory.Advise(5, 1, LibC.MADV_DONTNEED);
        Assert.Equal([memory.Part(5, 1), memory.Part(5, 1)], new[] { Next(MemoryEventKind.Dropped), Next(MemoryEventKind.Dropped) });

        second.Dispose();
        memory.Advise(4, 4, LibC.MADV_DONTNEED);
        Expect(MemoryEventKind.Dropped, memory.Part(4, 2));
        Silence();
    }

    [SkippableFact]
    public void Watcher_of_memory_that_another_watches_stays_when_that_one_ends()
    {
        using var memory = Memory.Map(Kind.Anonymous, 8);
        var first = Watch(memory.Range);
        using var second = Watch(memory.Part(2, 3));
        first.Dispose();

        memory.Advise(1, 2, LibC.MADV_DONTNEED);
        Expect(MemoryEventKind.Dropped, memory.Part(2, 1));
        memory.Unmap(0, 8);
        Expect(MemoryEventKind.Unmapped, memory.Part(2, 3));
        Silence();
    }

    [SkippableFact]
    public void Memory_that_was_replaced_under_another_watcher_is_watched_anew()
    {
        using var memory = Memory.Map(Kind.Anonymous, 4);
        using var first = Watch(memory.Range);
        memory.Replace(1, 2);
        Expect(MemoryEventKind.Unmapped, memory.Part(1, 2));

        using var second = Watch(memory.Range);

        memory.Advise(1, 1, LibC.MADV_DONTNEED);
        Expect(MemoryEventKind.Dropped, memory.Part(1, 1));
        Silence();
    }

    [SkippableFact]
    public void Kernel_is_not_asked_again_for_memory_that_is_watched()
    {
        Supported();
        using var counter = SyscallCounter.Open(new NativeThread().Id, out string refusal);
        Skip.If(counter is null, refusal);
        using var memory = Memory.Map(Kind.Anonymous, 4);

        Assert.Equal(2, Calls()); // register, unregister
        using var first = Watch(memory.Range);
        Assert.Equal(0, Calls());

        // The fewest: the runtime makes calls of its own now and then.
        long Calls() => Enumerable.Range(0, 20).Min(_ =>
        {
            long before = counter.Count;
            Watch(memory.Part(0, 3)).Dispose();
            return counter.Count - before - 1; // one is the count's own
        });
    }

    [SkippableFact]
    public void Watcher_is_not_called_after_it_was_disposed()
    {
        Supported();
        int violations = 0;
        for (int round = 0; round < 200; round++)
        {
            using var memory = Memory.Map(Kind.Anonymous, 4);
            bool disposed = false;
            var watch = MemoryWatch.Shared.Watch(memory.Range, _ =>
            {
                if (Volatile.Read(ref disposed))
                    Interlocked.Increment(ref violations);
            });
            var dropping = new Thread(() =>
            {
                for (int i = 0; i < 20; i++)
                    memory.Advise(i % 4, 1, LibC.MADV_DONTNEED);
            });
            dropping.Start();
            watch.Dispose();
            Volatile.Write(ref disposed, true);
            watch.Dispose();
            dropping.Join();
        }

        Assert.Equal(0, violations);
    }

    [SkippableFact]
    public void Watcher_may_dispose_itself_when_called()
    {
        Supported();
        using var memory = Memory.Map(Kind.Anonymous, 4);
        IDisposable watch = null!;
        watch = MemoryWatch.Shared.Watch(memory.Range, what =>
        {
            watch.Dispose();
            _events.Add(what);
        });

        memory.Unmap(0, 1);
        memory.Unmap(1, 1);

        Expect(MemoryEventKind.Unmapped, memory.Part(0, 1));
        Silence();
    }

    [SkippableFact]
    public void Watch_refuses_memory_that_cannot_be_watched_and_leaves_nothing_behind()
    {
        Supported();
        using var memory = Memory.Map(Kind.Anonymous, 4);
        memory.ReplaceByFile(2);

        foreach (var range in new[] { memory.Range, new(memory.Range.Address + 1, Page) })
        {
            var refused = Assert.Throws<NativeException>(() => Watch(range));
            Assert.Equal(Errno.EINVAL, refused.Errno);
            Assert.Contains($"0x{range.Address:x}", refused.Message);
        }

        memory.Unmap(0, 4);
        Silence();
    }

    [SkippableFact]
    public void Watch_has_one_thread_that_never_unmaps()
    {
        Supported();
        using var memory = Memory.Map(Kind.Anonymous, 1);
        string? thread = null;
        using var watch = MemoryWatch.Shared.Watch(memory.Range, what =>
        {
            thread = Thread.CurrentThread.Name;
            _events.Add(what);
        });

        memory.Unmap(0, 1);

        Expect(MemoryEventKind.Unmapped, memory.Part(0, 1));
        Assert.Equal("riser-memory-watch", thread);
    }

    public static TheoryData<Kind> Kinds() => [.. Enum.GetValues<Kind>()];

    private static ulong Page => (ulong)Environment.SystemPageSize;

    private static void Supported() => Skip.IfNot(MemoryWatch.IsSupported(out string? why), why);

    private IDisposable Watch(HostRange range)
    {
        Supported();
        return MemoryWatch.Shared.Watch(range, _events.Add);
    }

    private MemoryEvent Take()
    {
        Assert.True(_events.TryTake(out var what, LoopDriver.Patience), "Nothing was told.");
        return what;
    }

    private HostRange Next(MemoryEventKind kind)
    {
        var what = Take();
        Assert.Equal((kind, 0UL), (what.Kind, what.NewAddress));
        return what.Range;
    }

    private void Expect(MemoryEventKind kind, HostRange range) => Assert.Equal(range, Next(kind));

    // Events come in order: once a later one has been told, an earlier one would have been.
    private void Silence()
    {
        using var memory = Memory.Map(Kind.Anonymous, 1);
        using var watch = Watch(memory.Range);
        memory.Unmap(0, 1);
        Expect(MemoryEventKind.Unmapped, memory.Part(0, 1));
    }

    /// <summary>Memory in units: pages, or huge pages where they are.</summary>
    private sealed class Memory : IDisposable
    {
        private readonly ulong _unit;
        private readonly bool[] _mapped;
        private FileDescriptor? _file;

        private Memory(HostRange range, ulong unit)
        {
            (Range, _unit, _mapped) = (range, unit, new bool[range.Size / unit]);
            Array.Fill(_mapped, true);
        }

        public HostRange Range { get; }

        public static Memory Map(Kind kind, int units)
        {
            ulong unit = kind is Kind.TransparentHuge or Kind.HugeTlb ? Huge : Page;
            nuint size = (nuint)units * (nuint)unit;
            const int ReadWrite = LibC.PROT_READ | LibC.PROT_WRITE;
            FileDescriptor? file = null;
            nint address;
            switch (kind)
            {
                case Kind.TransparentHuge:
                    address = LibC.mmap(0, size + Huge, ReadWrite, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS, -1, 0);
                    nint aligned = (address + Huge - 1) & -Huge;
                    if (aligned > address)
                        Unmap(new((ulong)address, (ulong)(aligned - address)));
                    Unmap(new((ulong)aligned + size, (ulong)(address + Huge - aligned)));
                    address = aligned;
                    Assert.Equal(0, LibC.madvise(address, size, LibC.MADV_HUGEPAGE));
                    break;
                case Kind.Memfd:
                    var memfd = MemoryFile.Create("spec", (long)size);
                    file = memfd;
                    address = LibC.mmap(0, size, ReadWrite, LibC.MAP_SHARED, memfd.Number, 0);
                    break;
                case Kind.HugeTlb:
                    address = LibC.mmap(0, size, ReadWrite, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS | LibC.MAP_HUGETLB, -1, 0);
                    Skip.If(address == -1, $"No {units} huge pages of 2 MiB: set vm.nr_hugepages.");
                    break;
                default:
                    address = LibC.mmap(0, size, ReadWrite, (kind == Kind.SharedAnonymous ? LibC.MAP_SHARED : LibC.MAP_PRIVATE) | LibC.MAP_ANONYMOUS, -1, 0);
                    break;
            }

            Assert.NotEqual(-1, address);
            Assert.Equal(0, LibC.madvise(address, size, LibC.MADV_POPULATE_WRITE));
            return new(new((ulong)address, size), unit) { _file = file };
        }

        public HostRange Part(int first, int count) => new(Range.Address + ((ulong)first * _unit), (ulong)count * _unit);

        public void Unmap(int first, int count)
        {
            // Once each: another thread may have mapped something of its own there by now.
            for (int i = first; i < first + count; i++)
                Assert.True(_mapped[i]);
            Unmap(Part(first, count));
            Array.Fill(_mapped, false, first, count);
        }

        public void Advise(int first, int count, int advice)
        {
            var part = Part(first, count);
            Assert.Equal(0, LibC.madvise((nint)part.Address, (nuint)part.Size, advice));
        }

        public void Move(int first, int count, ulong over)
        {
            var part = Part(first, count);
            nint moved = LibC.mremap((nint)part.Address, (nuint)part.Size, (nuint)part.Size, LibC.MREMAP_MAYMOVE | LibC.MREMAP_FIXED, (nint)over);
            Assert.Equal((nint)over, moved);
            Array.Fill(_mapped, false, first, count);
        }

        public void Replace(int first, int count)
        {
            var part = Part(first, count);
            Assert.NotEqual(-1, LibC.mmap((nint)part.Address, (nuint)part.Size, LibC.PROT_READ, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS | LibC.MAP_FIXED, -1, 0));
        }

        public void ReplaceByFile(int unit)
        {
            using var file = File.OpenHandle(typeof(Memory).Assembly.Location);
            var part = Part(unit, 1);
            Assert.NotEqual(-1, LibC.mmap((nint)part.Address, (nuint)part.Size, LibC.PROT_READ, LibC.MAP_PRIVATE | LibC.MAP_FIXED, (int)file.DangerousGetHandle(), 0));
        }

        public void Dispose()
        {
            for (int i = 0; i < _mapped.Length; i++)
            {
                if (_mapped[i])
                    Unmap(i, 1);
            }

            _file?.Dispose();
        }

        private static void Unmap(HostRange range)
        {
            if (range.Size > 0)
                Assert.Equal(0, LibC.munmap((nint)range.Address, (nuint)range.Size));
        }
    }
}
