using Riser.Actors.Interop;

namespace Riser.Benchmarks.Interrupts;

/// <summary>loop.c: the floor, and its edge-triggered sibling that does not read.</summary>
internal sealed unsafe class NativeLoop : Receiver
{
    private readonly EventFdHandle[] _eventFds;
    private readonly bool _edge;
    private readonly nint _loop;

    public NativeLoop(int vectors, bool edge)
    {
        _edge = edge;
        _eventFds = [.. Enumerable.Range(0, vectors).Select(_ => EventFdHandle.Create())];
        int[] numbers = [.. _eventFds.Select(e => e.Number)];
        fixed (int* fds = numbers)
            _loop = Floor.floor_loop_start(Meter.Block, fds, vectors, edge ? 1 : 0);
        if (_loop == 0)
            throw new RefusalException($"The floor's loop over {vectors} eventfds did not start.");
    }

    public override IReadOnlyList<EventFdHandle> EventFds => _eventFds;

    public override long Cpu(long producer) => Floor.floor_loop_cpu(_loop);

    public override long? Allocated() => null;

    public override long Collect() => _edge ? _eventFds.Sum(e => e.Read()) : Meter.Done;

    public override ValueTask DisposeAsync()
    {
        Floor.floor_loop_stop(_loop);
        foreach (var eventFd in _eventFds)
            eventFd.Dispose();
        return base.DisposeAsync();
    }
}
