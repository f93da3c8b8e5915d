using Riser.Actors.Interop;
using Riser.Benchmarks.Interrupts;

namespace Riser.Benchmarks.Specs;

/// <summary>A figure of a path that loses or doubles a signal, or of one that did not run, is none.</summary>
[Collection("floor")] // each run compiles the floor anew, into the same folder
public sealed class RefusalSpecs : IClassFixture<RefusalSpecs.FloorFixture>
{
    private static readonly Load s_load = new("spec", OneCore: true, Rounds: 100) { Patience = TimeSpan.FromSeconds(5) };
    private static readonly Scope s_scope = new(IsQuick: true, _ => { });

    [Fact]
    public async Task Contest_refuses_when_a_signal_is_lost()
    {
        await using var floor = new NativeLoop(1) { Variant = Contest.FloorName };
        await using var faulty = new Faulty(loseEvery: 50) { Variant = "loses" };

        var refusal = Assert.Throws<RefusalException>(() => Contest.Run("spec", "µs", 1_000, [floor, faulty], s_load, s_scope));

        Assert.Contains("loses, spec: 49 of 50 signals were handled", refusal.Message);
    }

    [Fact]
    public async Task Contest_refuses_when_a_signal_comes_twice()
    {
        await using var floor = new NativeLoop(1) { Variant = Contest.FloorName };
        await using var faulty = new Faulty(doubleEvery: 50) { Variant = "doubles" };

        var refusal = Assert.Throws<RefusalException>(() => Contest.Run("spec", "µs", 1_000, [floor, faulty], s_load, s_scope));

        Assert.Contains("doubles, spec: 51 of 50 signals were handled", refusal.Message);
    }

    [Fact]
    public async Task Contest_refuses_when_a_stream_loses_a_signal()
    {
        await using var faulty = new Faulty(loseEvery: 50, vectors: 2) { Variant = "loses" };

        var refusal = Assert.Throws<RefusalException>(() => Producer.Run(faulty, s_load with { IsStream = true }));

        Assert.Contains("signals were handled", refusal.Message);
    }

    [Fact]
    public async Task Contest_refuses_when_counters_hold_something_else_than_was_sent()
    {
        await using var floor = new NativeLoop(1, edge: true) { Variant = "C" };
        Producer.Run(floor, s_load);
        floor.EventFds[0].Signal(); // nobody's

        var refusal = Assert.Throws<RefusalException>(() => Contest.Check([floor]));

        Assert.Contains("C: 101 of 100 signals were counted", refusal.Message);
    }

    [Fact]
    public async Task Contest_refuses_a_peer_that_has_taken_no_time()
    {
        await using var faulty = new Faulty { Variant = "did not run", TakesNoTime = true };

        Assert.Contains("did not run, spec: it has taken no CPU time", Assert.Throws<RefusalException>(() => Producer.Run(faulty, s_load)).Message);
    }

    [Fact]
    public void Suite_refuses_a_benchmark_without_rows_and_a_row_without_a_figure()
    {
        var benchmark = new IdleBenchmark();
        var row = new Row("idle", "a variant", "a regime", "C") { Unit = "µs", Measured = new(1), Base = new(1) };

        Assert.Equal([row], Suite.Check(benchmark, [row]));
        Assert.Contains("has measured nothing", Assert.Throws<RefusalException>(() => Suite.Check(benchmark, [])).Message);
        Assert.Contains("a variant, a regime did not run", Assert.Throws<RefusalException>(() => Suite.Check(benchmark, [row, row with { Measured = new(null) }])).Message);
        Assert.Contains("or its floor did not", Assert.Throws<RefusalException>(() => Suite.Check(benchmark, [row with { Base = null }])).Message);
    }

    public sealed class FloorFixture
    {
        public FloorFixture() => Floor.Compile();
    }

    /// <summary>A plain loop that is wrong in one way.</summary>
    private sealed class Faulty : Receiver
    {
        private readonly EventFdHandle[] _eventFds;
        private readonly Riser.Actors.Reactor.EventLoop _loop = new("spec-faulty", new(1, 64, 64, Riser.Actors.Reactor.PollingSettings.Off, []));

        public Faulty(int loseEvery = int.MaxValue, int doubleEvery = int.MaxValue, int vectors = 1)
        {
            long seen = 0;
            _eventFds = [.. Enumerable.Range(0, vectors).Select(_ => EventFdHandle.Create())];
            foreach (var eventFd in _eventFds)
            {
                _loop.Register(eventFd, new Handler(() =>
                {
                    for (long signals = eventFd.Read(); signals > 0; signals--)
                    {
                        seen++;
                        if (seen % loseEvery != 0)
                            Meter.Handled(seen % doubleEvery == 0 ? 2 : 1);
                    }
                }));
            }
        }

        public bool TakesNoTime { get; init; }

        public override IReadOnlyList<EventFdHandle> EventFds => _eventFds;

        public override long Cpu(long producer) => TakesNoTime ? 0 : Floor.floor_process_cpu();

        public override long? Allocated() => 0;

        public override long Collect() => Meter.Done;

        public override ValueTask DisposeAsync()
        {
            _loop.Dispose();
            return base.DisposeAsync();
        }

        private sealed class Handler(Action onSignal) : Riser.Actors.Reactor.ISignalHandler
        {
            public void OnSignal() => onSignal();
        }
    }
}
