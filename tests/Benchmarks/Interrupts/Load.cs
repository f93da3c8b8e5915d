namespace Riser.Benchmarks.Interrupts;

/// <summary>What the producer does in one turn.</summary>
/// <param name="Regime">Its name in the report.</param>
/// <param name="OneCore">Everything on one core: the producer sleeps until a round is handled. Else it spins on a core of its own.</param>
/// <param name="Rounds">In each, every vector is signalled once.</param>
/// <param name="GapNs">Time between a round's end and the next one.</param>
/// <param name="Stamped">Whether each handler says when it ran; else only the round's last.</param>
internal sealed record Load(string Regime, bool OneCore, long Rounds, long GapNs = 0, bool Stamped = true)
{
    /// <summary>The gap in which a handler falls asleep and which is still called back to back, ns.</summary>
    public const long BackToBackNs = 10_000;

    /// <summary>The producer waits for nobody: all vectors but the last are signalled in turn, <see cref="Rounds"/> times in all, then the last.</summary>
    public bool IsStream { get; init; }

    /// <summary>
    /// No handler runs before a round is signalled whole: as interrupts come, which no thread puts aside. The handlers' threads are of the
    /// kernel's class for batch work, which does not interrupt others when it wakes.
    /// </summary>
    public bool IsWhole { get; init; }

    /// <summary>How many times as many turns as usual: a wake-up on another processor takes now this long and now that, for seconds at a time.</summary>
    public int Longer { get; init; } = 1;

    /// <summary>How long the producer waits for the handlers of a round before the suite refuses to report.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(20);
}

/// <summary>One turn of one receiver.</summary>
/// <param name="P50">From before a round's first signal to its last handler, ns; of a stream, for each event.</param>
/// <param name="P99">The same; null of a stream.</param>
/// <param name="CpuPerEvent">ns, the producer's left out.</param>
/// <param name="Bytes">Allocated in all.</param>
/// <param name="Events">Signals in all.</param>
internal sealed record Turn(double P50, double? P99, double CpuPerEvent, long? Bytes, long Events);
