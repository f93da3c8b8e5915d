using Akka.Actor;
using Akka.Event;
using Akka.TestKit.Internal;
using Akka.TestKit.TestEvent;

namespace Akka.TestKit;

/// <summary>Counts what filters take while it lives.</summary>
/// <remarks>
/// Waiting ends with the expected event, not at the next look; before it judges, the listener has seen everything that
/// was logged until then, so that an event too many is found without waiting for it.
/// </remarks>
internal sealed class EventCount : IUnmutableFilter
{
    private readonly TestKitBase _testkit;
    private readonly ActorSystem _system;
    private readonly IReadOnlyList<EventFilterBase> _filters;
    private readonly SemaphoreSlim _news = new(0);
    private int _matched;

    public EventCount(TestKitBase testkit, ActorSystem system, IReadOnlyList<EventFilterBase> filters)
    {
        (_testkit, _system, _filters) = (testkit, system, filters);
        foreach (var filter in filters)
            filter.EventMatched += Count;
        system.EventStream.Publish(new Mute(filters));
    }

    /// <summary>Waits until so many events came, or, for none, until the time is over; one too many ends it at once.</summary>
    public void WaitFor(int expected, TimeSpan limit, CancellationToken cancellationToken)
    {
        var end = TestKitBase.Now + limit;
        while (!IsDecided(expected) && _news.WaitCooperatively(Left(end), cancellationToken))
        {
            // Each permit is one event; IsDecided looks at the sum.
        }

        if (Volatile.Read(ref _matched) > 0)
            Flush().Wait(Left(end), cancellationToken);
        Judge(expected, limit);
    }

    public async Task WaitForAsync(int expected, TimeSpan limit, CancellationToken cancellationToken)
    {
        var end = TestKitBase.Now + limit;
        while (!IsDecided(expected) && await _news.WaitAsync(Left(end), cancellationToken).ConfigureAwait(true))
        {
            // As above.
        }

        if (Volatile.Read(ref _matched) > 0)
            await Task.WhenAny(Flush(), Task.Delay(Left(end), cancellationToken)).ConfigureAwait(true);
        Judge(expected, limit);
    }

    public void Unmute() => Dispose();

    public void Dispose()
    {
        foreach (var filter in _filters)
            filter.EventMatched -= Count;
        _system.EventStream.Publish(new Unmute(_filters));
    }

    private void Count(EventFilterBase filter, LogEvent logEvent)
    {
        Interlocked.Increment(ref _matched);
        _news.Release();
    }

    private bool IsDecided(int expected)
    {
        int matched = Volatile.Read(ref _matched);
        return matched > expected || (matched == expected && expected > 0);
    }

    private Task Flush()
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _system.EventStream.Publish(new Flush(done));
        return done.Task;
    }

    private void Judge(int expected, TimeSpan limit)
    {
        int matched = Volatile.Read(ref _matched);
        string filters = $"[{string.Join(',', _filters)}]";
        if (matched < expected)
            _testkit.FailWith($"Timeout ({limit}) while waiting for messages. Only received {matched}/{expected} messages that matched filter {filters}");
        if (matched > expected)
            _testkit.FailWith($"Received {Messages(matched - expected)} too many. Expected {Messages(expected)} but received {matched} that matched filter {filters}");
    }

    private static string Messages(int number) => number == 1 ? "1 message" : number + " messages";

    private static TimeSpan Left(TimeSpan end) => end > TestKitBase.Now ? end - TestKitBase.Now : TimeSpan.Zero;
}
