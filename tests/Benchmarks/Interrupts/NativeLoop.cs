using Riser.Actors.Interop;

namespace Riser.Benchmarks.Interrupts;

/// <summary>loop.c: the floor, and its siblings: edge triggered and not read, and one that never sleeps.</summary>
internal sealed unsafe class NativeLoop : Receiver
{
    private readonly EventFdHandle[] _eventFds;
    private readonly bool _edge;
    private readonly bool _spins;
    private nint _loop;

    /// <param name="vectors">How many eventfds.</param>
    /// <param name="edge">Edge triggered, and no counter is read.</param>
    /// <param name="spins">It never sleeps, and so only lives for its turns.</param>
    public NativeLoop(int vectors, bool edge = false, bool spins = false)
    {
        (_edge, _spins) = (edge, spins);
        _eventFds = [.. Enumerable.Range(0, vectors).Select(_ => EventFdHandle.Create())];
        if (!spins)
            Start();
    }

    public override IReadOnlyList<EventFdHandle> EventFds => _eventFds;

    public override bool NeedsTwoCores => _spins;

    public override void Begin()
    {
        if (!_spins)
            return;
        Start();
        Cores.KeepApart(); // its thread began on the producer's core
    }

    public override void End()
    {
        if (_spins)
            Stop();
    }

    public override long Cpu(long producer) => Floor.floor_loop_cpu(_loop);

    public override long? Allocated() => null;

    public override long Collect() => _edge ? _eventFds.Sum(e => e.Read()) : Meter.Done;

    public override ValueTask DisposeAsync()
    {
        if (_loop != 0)
            Stop();
        foreach (var eventFd in _eventFds)
            eventFd.Dispose();
        return base.DisposeAsync();
    }

    private void Start()
    {
        int[] numbers = [.. _eventFds.Select(e => e.Number)];
        fixed (int* fds = numbers)
            _loop = Floor.floor_loop_start(Meter.Block, fds, numbers.Length, _edge ? 1 : 0, _spins ? 0 : -1);
        if (_loop == 0)
            throw new RefusalException($"The floor's loop over {numbers.Length} eventfds did not start.");
    }

    private void Stop()
    {
        Floor.floor_loop_stop(_loop);
        _loop = 0;
    }
}
