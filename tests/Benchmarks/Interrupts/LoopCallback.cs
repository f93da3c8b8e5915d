using Riser.Actors.Interop;
using Riser.Actors.Reactor;

namespace Riser.Benchmarks.Interrupts;

/// <summary>A plain callback on an <see cref="EventLoop"/>: what the reactor costs without actors.</summary>
internal sealed class LoopCallback : Receiver
{
    private readonly EventLoop _loop;
    private readonly ThreadAllocations _allocations;
    private readonly SignalSource[] _sources;
    private readonly bool _polls;

    public LoopCallback(int vectors, ReactorSettings settings)
    {
        _polls = settings.Polling.Longest > TimeSpan.Zero;
        _loop = new("bench-callback", settings);
        _allocations = new(_loop);
        _sources = [.. Enumerable.Range(0, vectors).Select(_ => Register())];
    }

    public override bool NeedsTwoCores => _polls;

    public override IReadOnlyList<EventFdHandle> EventFds => [.. _sources.Select(s => s.EventFd)];

    public override long Cpu(long producer) => Floor.floor_process_cpu() - producer;

    public override long? Allocated() => _allocations.Read();

    public override long Collect() => Meter.Done;

    public override ValueTask DisposeAsync()
    {
        _loop.Dispose(); // and its sources
        return base.DisposeAsync();
    }

    private SignalSource Register()
    {
        var eventFd = EventFdHandle.Create();
        return _loop.Register(eventFd, new Handler(eventFd, Meter));
    }

    private sealed class Handler(EventFdHandle eventFd, Meter meter) : ISignalHandler
    {
        public void OnSignal() => meter.Handled(eventFd.Read());
    }
}
