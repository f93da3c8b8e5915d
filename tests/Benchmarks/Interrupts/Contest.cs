namespace Riser.Benchmarks.Interrupts;

/// <summary>Lets a floor and its rivals take turns under one load and compares the medians over the turns.</summary>
internal static class Contest
{
    public const string FloorName = "C epoll + read";

    public static IReadOnlyList<Row> Run(string benchmark, string unit, double nsPerUnit, IReadOnlyList<Receiver> all, Load load, Scope scope)
    {
        scope.Progress($"{benchmark}: {load.Regime}");
        using var bound = load.IsWhole ? Cores.SharedInTurn() : load.OneCore ? Cores.Shared() : Cores.Apart();
        using var never = new ManualResetEvent(initialState: false);
        all = [.. all.Where(r => !load.OneCore || !r.NeedsTwoCores)];
        var turns = all.ToDictionary(r => r, _ => new List<Turn>());
        int count = scope.Turns * (scope.IsQuick ? 1 : load.Longer);
        for (int turn = -WarmUp; turn < count; turn++)
        {
            // Each begins in its turn, so that nobody has always the same predecessor.
            for (int i = 0; i < all.Count; i++)
            {
                var receiver = all[(turn + WarmUp + i) % all.Count];
                never.WaitOne(s_rest);
                receiver.Begin();
                var taken = Producer.Run(receiver, load);
                receiver.End();
                if (turn >= 0)
                    turns[receiver].Add(taken);
            }
        }

        if (all.FirstOrDefault(r => turns[r].Count < count) is { } absent)
            throw new RefusalException($"{absent.Variant}, {load.Regime}: it has taken {turns[absent].Count} of {count} turns.");
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
        turns.TrueForAll(t => t.P99 is not null) ? Statistics.Median(turns.Select(t => t.P99!.Value)) / nsPerUnit : null,
        Statistics.Median(turns.Select(t => t.CpuPerEvent)));

    // As every figure the median of the turns: what is allocated for events is in each of them, a queue that grows once to its length in one.
    private static double? Bytes(List<Turn> turns) =>
        turns.TrueForAll(t => t.Bytes is not null) ? Statistics.Median(turns.Select(t => t.Bytes!.Value / (double)t.Events)) : null;

    private static Row Describe(string benchmark, string unit, Receiver receiver, Load load, Figures figures, Figures floor, double? bytes)
    {
        var row = new Row(benchmark, receiver.Variant, load.Regime, FloorName)
        {
            Unit = unit,
            Measured = figures,
            Base = floor,
            BytesPerEvent = receiver is NativeLoop ? null : bytes,
        };
        return receiver.Goals is { } goals ? row with { Targets = goals.For(load, row) } : row;
    }
}
