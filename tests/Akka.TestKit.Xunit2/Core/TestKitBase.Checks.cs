using Akka.Actor;

namespace Akka.TestKit;

/// <summary>What an expectation says when it is not met.</summary>
public abstract partial class TestKitBase
{
    private (T Message, IActorRef Sender) Typed<T>(MessageEnvelope envelope, TimeSpan max, string? hint) => envelope switch
    {
        NullMessageEnvelope => throw _assertions.Failed($"Failed: Timeout {max} while waiting for a message of type {typeof(T)} {hint}"),
        { Message: T message, Sender: var sender } => (message, sender),
        { Message: var other, Sender: var sender } => throw _assertions.Failed(
            $"Failed: Expected a message of type {typeof(T)}, but received {{{other}}} (type {other?.GetType()}) instead {hint} from {sender}"),
    };

    private Exception NotSilent(TimeSpan duration, MessageEnvelope got, TimeSpan after) =>
        _assertions.Failed($"Failed: Expected no messages during {duration}, instead we received {got} after {after}");

    private void IsEqual<T>(T expected, T actual) => _assertions.AssertEqual(expected, actual);

    private void IsOf(IActorRef target, Terminated terminated, string what) =>
        _assertions.AssertEqual(target, terminated.ActorRef, "{0}", what);

    private void Pleases<T>(T message, Predicate<T> isMessage, string? hint) => _assertions.That(isMessage(message), () =>
        $"Got a message of the expected type <{typeof(T)}>. Also expected {Wish(hint)} but the message {{{message}}} of type <{message!.GetType()}> did not match");

    private void PleasesFrom<T>(T message, IActorRef sender, Func<T, IActorRef, bool> isMessageAndSender, string? hint) => _assertions.That(isMessageAndSender(message, sender), () =>
        $"Got a message of the expected type <{typeof(T)}> from {sender}. Also expected {Wish(hint)} but the message {{{message}}} of type <{message!.GetType()}> did not match");

    private void IsSender(IActorRef expected, IActorRef actual, string? hint) => _assertions.AssertEqual(
        expected, actual, "{0}", $"Sender does not match. Got a message from sender {actual}. But expected {expected} {hint}");

    private static string Wish(string? hint) => string.IsNullOrEmpty(hint) ? "the predicate to return true" : hint;
}
