using Akka.Actor;

namespace Akka.TestKit;

/// <summary>The next message must be of a type and must please. Durations are scaled; null is what <c>Within</c> leaves.</summary>
public abstract partial class TestKitBase
{
    public T ExpectMsg<T>(TimeSpan? duration = null, string? hint = null, CancellationToken cancellationToken = default) =>
        Next<T>(duration, hint, cancellationToken).Message;

    public T ExpectMsg<T>(T message, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        Next<T>(timeout, hint, cancellationToken, (actual, _) => IsEqual(message, actual));

    public T ExpectMsg<T>(T expected, Func<T, T, bool> comparer, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        Next<T>(timeout, hint, cancellationToken, (actual, _) => _assertions.AssertEqual(expected, actual, comparer, "{0}", hint ?? ""));

    public T ExpectMsg<T>(Predicate<T> isMessage, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        Next<T>(timeout, hint, cancellationToken, (actual, _) => Pleases(actual, isMessage, hint));

    public T ExpectMsg<T>(Action<T> assert, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        Next<T>(timeout, hint, cancellationToken, (actual, _) => assert(actual));

    public T ExpectMsg<T>(Func<T, IActorRef, bool> isMessageAndSender, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        Next<T>(timeout, hint, cancellationToken, (actual, sender) => PleasesFrom(actual, sender, isMessageAndSender, hint));

    public T ExpectMsg<T>(Action<T, IActorRef> assertMessageAndSender, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        Next(timeout, hint, cancellationToken, assertMessageAndSender);

    /// <summary>The end of an actor that the test watches.</summary>
    public Terminated ExpectTerminated(IActorRef target, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default)
    {
        string what = $"Terminated {target}. {hint}";
        return Next<Terminated>(timeout, what, cancellationToken, (actual, _) => IsOf(target, actual, what));
    }

    /// <summary>Silence for what <c>Within</c> leaves, or for <c>akka.test.expect-no-message-default</c>.</summary>
    public void ExpectNoMsg(CancellationToken cancellationToken = default) => Silence(NoMessageRemainingOrDefault, cancellationToken);

    public void ExpectNoMsg(TimeSpan duration, CancellationToken cancellationToken = default) => Silence(Dilated(duration), cancellationToken);

    public void ExpectNoMsg(int milliseconds, CancellationToken cancellationToken = default) =>
        ExpectNoMsg(TimeSpan.FromMilliseconds(milliseconds), cancellationToken);

    private T Next<T>(TimeSpan? timeout, string? hint, CancellationToken cancellationToken, Action<T, IActorRef> check)
    {
        var (message, sender) = Next<T>(timeout, hint, cancellationToken);
        check(message, sender);
        return message;
    }

    private (T Message, IActorRef Sender) Next<T>(TimeSpan? timeout, string? hint, CancellationToken cancellationToken)
    {
        var max = RemainingOrDilated(timeout);
        TryReceiveOne(out var envelope, max, cancellationToken);
        return Typed<T>(envelope, max, hint);
    }

    private void Silence(TimeSpan duration, CancellationToken cancellationToken)
    {
        var start = Now;
        if (TryReceiveOne(out var envelope, duration, cancellationToken))
            throw NotSilent(duration, envelope, Now - start);
        _lastWasNoMessage = true;
    }
}
