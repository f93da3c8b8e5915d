using Akka.Actor;
using Riser.Host.Reporting;

namespace Riser.Host.Specs.Reporting;

public sealed class DisplaySpecs
{
    private static readonly TimeSpan s_often = TimeSpan.FromMilliseconds(1);

    private readonly Task<string?[]> _begun = Task.FromResult<string?[]>([null]);

    [Fact]
    public async Task A_look_that_is_not_answered_in_time_is_left_out()
    {
        using var over = new CancellationTokenSource();
        int looks = 0;
        List<Snapshot> shown = [];

        await Display.RepeatAsync(s_often, Look, Show, _begun, over.Token);

        Assert.Equal(TimeSpan.FromSeconds(3), Assert.Single(shown).Elapsed);

        Task<Snapshot> Look() => ++looks < 3 ? Task.FromException<Snapshot>(new AskTimeoutException("busy")) : Task.FromResult(new Snapshot(TimeSpan.FromSeconds(looks), []));

        Task Show(Snapshot snapshot)
        {
            shown.Add(snapshot);
            over.Cancel();
            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task The_end_waits_for_no_look()
    {
        using var over = new CancellationTokenSource();

        await Display.RepeatAsync(s_often, Look, _ => throw new InvalidOperationException("nothing was seen"), _begun, over.Token);

        Assert.True(over.IsCancellationRequested);

        Task<Snapshot> Look()
        {
            over.Cancel();
            return new TaskCompletionSource<Snapshot>().Task;
        }
    }
}
