using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Riser.Actors.Interop;

namespace Riser.Benchmarks;

/// <summary>meter.h: what the producer shares with a handler.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal struct MeterBlock
{
    [FieldOffset(0)]
    public long Target;

    [FieldOffset(8)]
    public long AckFd;

    [FieldOffset(16)]
    public long Stamped;

    [FieldOffset(24)]
    public long LastFd;

    [FieldOffset(64)]
    public long Done;

    [FieldOffset(72)]
    public long HandledAt;
}

/// <summary>One producer's view of one handler. The handler's side does what loop.c does, in C#.</summary>
internal sealed unsafe class Meter : IDisposable
{
    private readonly MeterBlock* _block = (MeterBlock*)NativeMemory.AlignedAlloc((nuint)sizeof(MeterBlock), 64);
    private readonly EventFdHandle _ack = EventFdHandle.Create();

    private int _last; // the vector of LastFd

    public Meter() => *_block = default;

    public MeterBlock* Block => _block;

    /// <summary>Signals handled so far.</summary>
    public long Done => Volatile.Read(ref _block->Done);

    /// <summary>Signals sent so far.</summary>
    public long Target => Volatile.Read(ref _block->Target);

    /// <summary>Says how the next rounds are acknowledged and stamped; no round is under way.</summary>
    /// <param name="spin">Whether the producer spins until a round is over.</param>
    /// <param name="stamped">Whether each handler says when it ran.</param>
    /// <param name="last">The vector and the descriptor with which all is heard, for those who do not count; null: everyone counts.</param>
    public void Prepare(bool spin, bool stamped, (int Vector, int Fd)? last)
    {
        _block->AckFd = spin ? -1 : _ack.Number;
        _block->Stamped = stamped ? 1 : 0;
        _block->LastFd = last?.Fd ?? -1;
        _last = last?.Vector ?? -1;
    }

    /// <summary>Called by a handler that knows of one signal or more of <paramref name="vector"/>; one thread at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Heard(int vector)
    {
        if (_last < 0)
            Handled(1);
        else if (vector == _last)
            Handled(Target - _block->Done);
    }

    /// <summary>Called by a handler that knows of <paramref name="count"/> signals; one thread at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Handled(long count)
    {
        long target = Volatile.Read(ref _block->Target);
        long done = _block->Done + count;
        if (_block->Stamped != 0 || done == target)
            _block->HandledAt = Stopwatch.GetTimestamp(); // CLOCK_MONOTONIC in nanoseconds, on Linux
        Volatile.Write(ref _block->Done, done);
        if (done == target && _block->AckFd >= 0)
            _ack.Signal();
    }

    public void Dispose()
    {
        _ack.Dispose();
        NativeMemory.AlignedFree(_block);
    }
}
