using Riser.Benchmarks.Micro;

namespace Riser.Benchmarks.Interrupts;

/// <summary>What one look costs a reactor that polls, and what other ways to look would.</summary>
internal sealed class LookBenchmark : IBenchmark
{
    private const string FloorName = "C epoll_wait(0), one eventfd";

    public string Name => "looks";

    public string What => "one question whether an interrupt has come, when none has";

    public Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        scope.Progress(Name);
        var found = MicroSuite.Run<Looks>(scope);
        return Task.FromResult<IReadOnlyList<Row>>(
        [
            Describe("C epoll_wait(0)", "1 eventfd", nameof(Looks.FloorEpollOfOne)),
            Describe("C# epoll_wait(0), as the reactor", "1 eventfd", nameof(Looks.EpollOfOne)),
            Describe("C read of a counter that is 0", "1 eventfd", nameof(Looks.FloorReadOfOne)),
            Describe("C# read of a counter that is 0", "1 eventfd", nameof(Looks.ReadOfOne)),
            Describe("C epoll_wait(0)", "2048 eventfds", nameof(Looks.FloorEpollOfMany)),
            Describe("C# epoll_wait(0), as the reactor", "2048 eventfds", nameof(Looks.EpollOfMany)),
            Describe("C poll of the epoll descriptor", "2048 eventfds", nameof(Looks.FloorPollOfMany)),
        ]);

        Row Describe(string variant, string regime, string method) => new(Name, variant, regime, FloorName)
        {
            Unit = "ns",
            Measured = new(found[method].Nanoseconds),
            Base = new(found[nameof(Looks.FloorEpollOfOne)].Nanoseconds),
            BytesPerEvent = variant.StartsWith("C#", StringComparison.Ordinal) ? found[method].Bytes : null,
        };
    }
}
