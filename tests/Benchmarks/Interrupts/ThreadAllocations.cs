using Akka.Dispatch;
using Riser.Actors.Reactor;

namespace Riser.Benchmarks.Interrupts;

/// <summary>What a loop's thread has allocated, exactly; looking allocates nothing there.</summary>
internal sealed class ThreadAllocations
{
    private readonly EventLoop _loop;
    private readonly ManualResetEventSlim _read = new();
    private readonly ActionRunnable _look;
    private long _bytes;

    public ThreadAllocations(EventLoop loop)
    {
        _loop = loop;
        _look = new(() =>
        {
            _bytes = GC.GetAllocatedBytesForCurrentThread();
            _read.Set();
        });
    }

    public long Read()
    {
        _read.Reset();
        _loop.Post(_look);
        if (!_read.Wait(TimeSpan.FromSeconds(30)))
            throw new RefusalException($"{_loop.Name} does not run what it is given.");
        return _bytes;
    }
}
