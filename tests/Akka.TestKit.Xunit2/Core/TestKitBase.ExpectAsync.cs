using Akka.Actor;

namespace Akka.TestKit;

/// <summary>As TestKitBase.Expect.cs, without holding a thread.</summary>
public abstract partial class TestKitBase
{
    public async ValueTask<T> ExpectMsgAsync<T>(TimeSpan? duration = null, string? hint = null, CancellationToken cancellationToken = default) =>
        (await NextAsync<T>(duration, hint, cancellationToken).ConfigureAwait(true)).Message;

    public ValueTask<T> ExpectMsgAsync<T>(T message, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        NextAsync<T>(timeout, hint, cancellationToken, (actual, _) => IsEqual(message, actual));

    public ValueTask<T> ExpectMsgAsync<T>(T expected, Func<T, T, bool> comparer, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        NextAsync<T>(timeout, hint, cancellationToken, (actual, _) => _assertions.AssertEqual(expected, actual, comparer, "{0}", hint ?? ""));

    public ValueTask<T> ExpectMsgAsync<T>(Predicate<T> isMessage, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        NextAsync<T>(timeout, hint, cancellationToken, (actual, _) => Pleases(actual, isMessage, hint));

    public ValueTask<T> ExpectMsgAsync<T>(Action<T> assert, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        NextAsync<T>(timeout, hint, cancellationToken, (actual, _) => assert(actual));

    public ValueTask<T> ExpectMsgAsync<T>(Func<T, IActorRef, bool> isMessageAndSender, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        NextAsync<T>(timeout, hint, cancellationToken, (actual, sender) => PleasesFrom(actual, sender, isMessageAndSender, hint));

    public ValueTask<T> ExpectMsgAsync<T>(Action<T, IActorRef> assertMessageAndSender, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        NextAsync(timeout, hint, cancellationToken, assertMessageAndSender);

    public ValueTask<Terminated> ExpectTerminatedAsync(IActorRef target, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default)
    {
        string what = $"Terminated {target}. {hint}";
        return NextAsync<Terminated>(timeout, what, cancellationToken, (actual, _) => IsOf(target, actual, what));
    }

    public ValueTask ExpectNoMsgAsync(CancellationToken cancellationToken = default) => SilenceAsync(NoMessageRemainingOrDefault, cancellationToken);

    public ValueTask ExpectNoMsgAsync(TimeSpan duration, CancellationToken cancellationToken = default) => SilenceAsync(Dilated(duration), cancellationToken);

    public ValueTask ExpectNoMsgAsync(int milliseconds, CancellationToken cancellationToken = default) =>
        ExpectNoMsgAsync(TimeSpan.FromMilliseconds(milliseconds), cancellationToken);

    private async ValueTask<T> NextAsync<T>(TimeSpan? timeout, string? hint, CancellationToken cancellationToken, Action<T, IActorRef> check)
    {
        var (message, sender) = await NextAsync<T>(timeout, hint, cancellationToken).ConfigureAwait(true);
        check(message, sender);
        return message;
    }

    private async ValueTask<(T Message, IActorRef Sender)> NextAsync<T>(TimeSpan? timeout, string? hint, CancellationToken cancellationToken)
    {
        var max = RemainingOrDilated(timeout);
        var (_, envelope) = await TryReceiveOneAsync(max, cancellationToken).ConfigureAwait(true);
        return Typed<T>(envelope, max, hint);
    }

    private async ValueTask SilenceAsync(TimeSpan duration, CancellationToken cancellationToken)
    {
        var start = Now;
        var (received, envelope) = await TryReceiveOneAsync(duration, cancellationToken).ConfigureAwait(true);
        if (received)
            throw NotSilent(duration, envelope, Now - start);
        _lastWasNoMessage = true;
    }
}
