using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Interop;

/// <summary>Lowers RLIMIT_NOFILE until it is disposed. The limit is the process's: no other spec runs beside one that has it.</summary>
internal sealed class FileLimit : IDisposable
{
    private const int RLIMIT_NOFILE = 7; // asm-generic/resource.h

    private readonly Rlimit _former;

    /// <param name="limit">The lowest number that a new descriptor may not have.</param>
    public FileLimit(int limit)
    {
        Assert.Equal(0, LibC.getrlimit(RLIMIT_NOFILE, out _former));
        Assert.Equal(0, LibC.setrlimit(RLIMIT_NOFILE, _former with { rlim_cur = (ulong)limit }));
    }

    /// <summary>The lowest number that is free, which is what the kernel gives next.</summary>
    public static int LowestFree
    {
        get
        {
            using var next = EventFdHandle.Create();
            return next.Number;
        }
    }

    public static List<EventFdHandle> TakeAllBelow(int limit)
    {
        List<EventFdHandle> taken = [];
        do
            taken.Add(EventFdHandle.Create());
        while (taken[^1].Number < limit);
        return taken;
    }

    public void Dispose() => Assert.Equal(0, LibC.setrlimit(RLIMIT_NOFILE, _former));
}
