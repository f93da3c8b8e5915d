using Akka.Actor;

namespace Akka.TestKit;

/// <summary>As TestKitBase.Expect.cs, and the sender counts as well.</summary>
public abstract partial class TestKitBase
{
    public T ExpectMsgFrom<T>(IActorRef sender, TimeSpan? duration = null, string? hint = null, CancellationToken cancellationToken = default) =>
        Next<T>(duration, hint, cancellationToken, (_, actual) => IsSender(sender, actual, hint));

    public T ExpectMsgFrom<T>(IActorRef sender, T message, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        Next<T>(timeout, hint, cancellationToken, (got, actual) =>
        {
            IsSender(sender, actual, hint);
            IsEqual(message, got);
        });

    public T ExpectMsgFrom<T>(IActorRef sender, Predicate<T> isMessage, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        Next<T>(timeout, hint, cancellationToken, (got, actual) =>
        {
            IsSender(sender, actual, hint);
            Pleases(got, isMessage, hint);
        });

    public T ExpectMsgFrom<T>(Predicate<IActorRef> isSender, Predicate<T> isMessage, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        Next<T>(timeout, hint, cancellationToken, (got, actual) =>
        {
            _assertions.That(isSender(actual), () => $"Sender does not match. Got a message from sender {actual}. But expected {Wish(hint)}  The message was {{{got}}}");
            Pleases(got, isMessage, hint);
        });

    public T ExpectMsgFrom<T>(IActorRef sender, Action<T> assertMessage, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        Next<T>(timeout, hint, cancellationToken, (got, actual) =>
        {
            IsSender(sender, actual, hint);
            assertMessage(got);
        });

    public T ExpectMsgFrom<T>(Action<IActorRef> assertSender, Action<T> assertMessage, TimeSpan? timeout = null, string? hint = null, CancellationToken cancellationToken = default) =>
        Next<T>(timeout, hint, cancellationToken, (got, actual) =>
        {
            assertSender(actual);
            assertMessage(got);
        });
}
