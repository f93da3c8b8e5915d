namespace Akka.TestKit;

/// <summary>Taking messages while they please; the first that does not please stays in the queue.</summary>
public abstract partial class TestKitBase
{
    public IReadOnlyList<T> ReceiveWhile<T>(TimeSpan? max, Func<object, T?> filter, int msgs = int.MaxValue, CancellationToken cancellationToken = default)
        where T : class => ReceiveWhile(filter, max, idle: null, msgs, cancellationToken);

    public IReadOnlyList<T> ReceiveWhile<T>(TimeSpan? max, TimeSpan? idle, Func<object, T?> filter, int msgs = int.MaxValue, CancellationToken cancellationToken = default)
        where T : class => ReceiveWhile(filter, max, idle, msgs, cancellationToken);

    /// <summary>Takes what a function makes of messages.</summary>
    /// <param name="filter">Maps a message to what is collected; null ends it.</param>
    /// <param name="max">Scaled; null is what <c>Within</c> leaves or the default of a single expectation.</param>
    /// <param name="idle">Ends it when no message came for so long; null is never.</param>
    public IReadOnlyList<T> ReceiveWhile<T>(Func<object, T?> filter, TimeSpan? max = null, TimeSpan? idle = null, int msgs = int.MaxValue, CancellationToken cancellationToken = default)
        where T : class => ReceiveWhile(
            message => filter(message) is { } wanted ? (Verdict.Keep, wanted) : (Verdict.Stop, null!), max, idle, msgs, cancellationToken);

    /// <summary>Takes messages of one type while they please.</summary>
    /// <param name="shouldIgnoreOtherMessageTypes">True drops messages of other types; false ends at the first of them.</param>
    public IReadOnlyList<T> ReceiveWhile<T>(Predicate<T> shouldContinue, TimeSpan? max = null, TimeSpan? idle = null, int msgs = int.MaxValue, bool shouldIgnoreOtherMessageTypes = true, CancellationToken cancellationToken = default) =>
        ReceiveWhile<T>(
            message => message switch
            {
                T typed when shouldContinue(typed) => (Verdict.Keep, typed),
                T => (Verdict.Stop, default!),
                _ => (shouldIgnoreOtherMessageTypes ? Verdict.Drop : Verdict.Stop, default!),
            },
            max, idle, msgs, cancellationToken);

    private List<T> ReceiveWhile<T>(Func<object, (Verdict Verdict, T Wanted)> judge, TimeSpan? max, TimeSpan? idle, int count, CancellationToken cancellationToken)
    {
        var end = Now + RemainingOrDilated(max);
        MessageEnvelope last = NullMessageEnvelope.Instance;
        var wanted = new List<T>();
        while (wanted.Count < count && _queue.Peek(Min(NotNegative(end - Now), idle ?? TimeSpan.MaxValue), cancellationToken) is { } next)
        {
            var (verdict, item) = judge(next.Message!);
            if (verdict == Verdict.Stop)
                break;
            last = _queue.Take(TimeSpan.Zero, cancellationToken)!;
            if (verdict == Verdict.Keep)
                wanted.Add(item);
        }

        (_last, _lastWasNoMessage) = (last, true);
        return wanted;
    }

    private enum Verdict { Keep, Drop, Stop }
}
