using System.Globalization;
using Riser.Actors.Interrupts;

namespace Riser.Benchmarks.Interrupts;

/// <summary>What a reactor that polls costs once nothing comes any more.</summary>
internal sealed class IdleBenchmark : IBenchmark
{
    private static readonly TimeSpan s_quiet = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_watched = TimeSpan.FromSeconds(1);

    public string Name => "idle";

    public string What => "a reactor that has just polled, 10 ms after its last interrupt: what it does in a second";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope) =>
    [
        await RunAsync("sleeps at once", Node.Blocking, polls: false, scope),
        await RunAsync("polls as by default", "", polls: true, scope),
        await RunAsync("polls ≤ 300 µs, whole processor", "longest = 300us, cpu-share = 1", polls: true, scope),
    ];

    private async Task<Row> RunAsync(string variant, string polling, bool polls, Scope scope)
    {
        scope.Progress($"{Name}: {variant}");
        await using var node = new Node(polling: polling);
        await using var receiver = new VectorSubscribers(node.System, 1, InterruptCounting.Exact) { Variant = variant };
        var loop = Actors.Reactor.Reactor.For(node.System).Loops[0];
        long looked = loop.Looked.Ticks;
        using (Cores.Apart())
            Producer.Run(receiver, new("back to back", OneCore: false, scope.Events(5_000), Load.BackToBackNs));
        if (polls && loop.Looked.Ticks == looked)
            throw new RefusalException($"{Name}, {variant}: the reactor has not polled, so there is nothing to see the end of.");
        await Task.Delay(s_quiet);
        string thread = ThreadOf(loop);
        var (waits, cpu) = (loop.Waits, CpuNs(thread));
        await Task.Delay(s_watched);
        var (waited, spent) = (loop.Waits - waits, CpuNs(thread) - cpu);
        return new(Name, variant, "idle", Floor: null)
        {
            Unit = "wake-ups",
            Measured = new(waited, P99: null, spent),
            Targets = [Target.AtMost("wake-ups", 0, waited), Target.AtMost("CPU", 0, spent)],
        };
    }

    // No other reactor is there now.
    private static string ThreadOf(Actors.Reactor.EventLoop loop) =>
        Directory.GetDirectories("/proc/self/task").Single(task => File.ReadAllText($"{task}/comm").Trim() == loop.Name);

    private static long CpuNs(string thread) =>
        long.Parse(File.ReadAllText($"{thread}/schedstat").Split(' ')[0], CultureInfo.InvariantCulture);
}
