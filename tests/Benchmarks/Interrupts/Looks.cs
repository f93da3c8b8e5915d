using BenchmarkDotNet.Attributes;
using Riser.Actors.Interop;

namespace Riser.Benchmarks.Interrupts;

/// <summary>Ways to ask the kernel whether an interrupt has come, when none has.</summary>
public class Looks
{
    private const int Times = 10_000;
    private const int Many = 2_048;

    private readonly EpollEvents _events = new(256);
    private readonly List<EventFdHandle> _eventFds = [];
    private EpollHandle _one = null!;
    private EpollHandle _many = null!;

    [GlobalSetup]
    public void SetUp()
    {
        _one = Watch(1);
        _many = Watch(Many);
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        _one.Dispose();
        _many.Dispose();
        _eventFds.ForEach(e => e.Dispose());
        _eventFds.Clear();
    }

    [Benchmark(OperationsPerInvoke = Times)]
    public long EpollOfOne() => Look(_one);

    [Benchmark(OperationsPerInvoke = Times)]
    public long EpollOfMany() => Look(_many);

    [Benchmark(OperationsPerInvoke = Times)]
    public long ReadOfOne()
    {
        long found = 0;
        for (int i = 0; i < Times; i++)
            found += _eventFds[0].Read();
        return found;
    }

    [Benchmark(OperationsPerInvoke = Times)]
    public long FloorEpollOfOne() => Floor.floor_look_epoll(_one.Number, Times);

    [Benchmark(OperationsPerInvoke = Times)]
    public long FloorEpollOfMany() => Floor.floor_look_epoll(_many.Number, Times);

    [Benchmark(OperationsPerInvoke = Times)]
    public long FloorPollOfMany() => Floor.floor_look_poll(_many.Number, Times);

    [Benchmark(OperationsPerInvoke = Times)]
    public long FloorReadOfOne() => Floor.floor_look_read(_eventFds[0].Number, Times);

    private long Look(EpollHandle epoll)
    {
        long found = 0;
        for (int i = 0; i < Times; i++)
            found += epoll.Wait(_events, 0);
        return found;
    }

    private EpollHandle Watch(int eventFds)
    {
        var epoll = EpollHandle.Create();
        for (int i = 0; i < eventFds; i++)
        {
            var eventFd = EventFdHandle.Create();
            _eventFds.Add(eventFd);
            epoll.Add(eventFd, LibC.EPOLLIN | LibC.EPOLLET, (ulong)i);
        }

        return epoll;
    }
}
