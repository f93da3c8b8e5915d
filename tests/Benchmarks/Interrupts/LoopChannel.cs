using System.Threading.Channels;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;

namespace Riser.Benchmarks.Interrupts;

/// <summary>What one would write without actors: a loop that puts vectors into a System.Threading.Channels channel, and a task that reads it.</summary>
internal sealed class LoopChannel : Receiver
{
    private readonly EventLoop _loop;
    private readonly SignalSource[] _sources;
    private readonly Channel<EventFdHandle> _channel = Channel.CreateUnbounded<EventFdHandle>(new() { SingleReader = true, SingleWriter = true });
    private readonly Task _reader;

    public LoopChannel(int vectors, ReactorSettings settings)
    {
        _loop = new("bench-channel", settings);
        _sources = [.. Enumerable.Range(0, vectors).Select(_ => Register())];
        _reader = Task.Run(ReadAsync);
    }

    public override IReadOnlyList<EventFdHandle> EventFds => [.. _sources.Select(s => s.EventFd)];

    public override long Cpu(long producer) => Floor.floor_process_cpu() - producer;

    public override long? Allocated() => GC.GetTotalAllocatedBytes(precise: true);

    public override long Collect() => Meter.Done;

    public override async ValueTask DisposeAsync()
    {
        _channel.Writer.Complete();
        await _reader;
        _loop.Dispose(); // and its sources
        await base.DisposeAsync();
    }

    private async Task ReadAsync()
    {
        await foreach (var eventFd in _channel.Reader.ReadAllAsync())
        {
            if (eventFd.Read() is > 0 and var count)
                Meter.Handled(count);
        }
    }

    private SignalSource Register()
    {
        var eventFd = EventFdHandle.Create();
        return _loop.Register(eventFd, new Handler(eventFd, _channel.Writer));
    }

    private sealed class Handler(EventFdHandle eventFd, ChannelWriter<EventFdHandle> writer) : ISignalHandler
    {
        public void OnSignal() => writer.TryWrite(eventFd);
    }
}
