using Riser.Actors.Interop;

namespace Riser.Benchmarks.Interrupts;

/// <summary>One way to receive interrupts, from eventfds to a call of <see cref="Meter.Handled"/>.</summary>
internal abstract class Receiver : IAsyncDisposable
{
    /// <summary>The row's variant.</summary>
    public required string Variant { get; init; }

    public Meter Meter { get; } = new();

    /// <summary>What is signalled, by vector.</summary>
    public abstract IReadOnlyList<EventFdHandle> EventFds { get; }

    /// <summary>What it is to reach; peers that stand beside us have nothing to reach.</summary>
    public Goals? Goals { get; init; }

    /// <summary>Whether it looks for signals while nothing else on its core can run.</summary>
    public virtual bool NeedsTwoCores => false;

    /// <summary>Called before each of its turns.</summary>
    public virtual void Begin()
    {
    }

    /// <summary>Called after each of its turns.</summary>
    public virtual void End()
    {
    }

    /// <summary>CPU time, ns, of everything that runs but the producer, which has taken <paramref name="producer"/> ns.</summary>
    public abstract long Cpu(long producer);

    /// <summary>Bytes allocated so far on the way of an interrupt; null: nothing manages memory there.</summary>
    public abstract long? Allocated();

    /// <summary>Signals that were collected over its life; what still stands in a counter is collected now.</summary>
    public abstract long Collect();

    public virtual ValueTask DisposeAsync()
    {
        Meter.Dispose();
        return ValueTask.CompletedTask;
    }
}
