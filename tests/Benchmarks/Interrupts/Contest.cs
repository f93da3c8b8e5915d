namespace Riser.Benchmarks.Interrupts;

/// <summary>Lets a floor and its rivals take turns under one load and compares the medians over the turns.</summary>
internal static class Contest
{
    public const string FloorName = "C epoll + read";

    public static IReadOnlyList<Row> Run(string benchmark, string unit, double nsPerUnit, IReadOnlyList<Receiver> all, Load load, Scope scope)
    {
        scope.Progress($"{benchmark}: {load.Regime}");
        using var bound = load.OneCore ? Cores.Shared() : Cores.Apart();
        using var never = new ManualResetEvent(initialState: false);
        var turns = all.ToDictionary(r => r, _ => new List<Turn>());
        for (int turn = -WarmUp; turn < scope.Turns; turn++)
        {
            // Each begins in its turn, so that nobody has always the same predecessor.
            for (int i = 0; i < all.Count; i++)
            {
                var receiver = all[(turn + WarmUp + i) % all.Count];
                never.WaitOne(s_rest);
                var taken = Producer.Run(receiver, load);
                if (turn >= 0)
                    turns[receiver].Add(taken);
            }
        }

        var floor = Sum(turns[all[0]], nsPerUnit);
        return [.. all.Select(r => Describe(benchmark, unit, r, load, Sum(turns[r], nsPerUnit), floor, Bytes(turns[r])))];
    }

    /// <summary>Every signal was counted once, by whoever counts.</summary>
    /// <exception cref="RefusalException">One was not.</exception>
    public static void Check(IEnumerable<Receiver> all)
    {
        foreach (var receiver in all)
        {
            long sent = receiver.Meter.Target;
            if (receiver.Collect() is var collected && collected != sent)
                throw new RefusalException($"{receiver.Variant}: {collected} of {sent} signals were counted.");
        }
    }

    // Turns that are not counted: the JIT compiles the path for good, queues grow to their length.
    private const int WarmUp = 3;

    // Threads of a pool spin for a while after their last work; the next one in turn shall not pay for it.
    private static readonly TimeSpan s_rest = TimeSpan.FromMilliseconds(20);

    private static Figures Sum(List<Turn> turns, double nsPerUnit) => new(
        Statistics.Median(turns.Select(t => t.P50)) / nsPerUnit,
        Statistics.Median(turns.Select(t => t.P99)) / nsPerUnit,
        Statistics.Median(turns.Select(t => t.CpuPerEvent)));

    private static double? Bytes(List<Turn> turns) => turns.Sum(t => t.Bytes) / (double)turns.Sum(t => t.Events);

    private static Row Describe(string benchmark, string unit, Receiver receiver, Load load, Figures figures, Figures floor, double? bytes)
    {
        var row = new Row(benchmark, receiver.Variant, load.Regime, FloorName)
        {
            Unit = unit,
            Measured = figures,
            Base = floor,
            BytesPerEvent = receiver is NativeLoop ? null : bytes,
        };
        return receiver.IsOurs ? row with { Targets = Targets(row, load) } : row;
    }

    private static List<Target> Targets(Row row, Load load) =>
        load is { OneCore: true, Stamped: true }
            ? [Target.AtMost("p50", 1.5, row.RatioP50, " × C"), Target.NoBytes(row.BytesPerEvent)]
            : [Target.NoBytes(row.BytesPerEvent)];
}
