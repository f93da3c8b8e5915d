using Akka.Actor;

namespace Akka.TestKit;

/// <summary>A message that a test actor received, with who sent it.</summary>
public abstract class MessageEnvelope
{
    public abstract object? Message { get; }

    public abstract IActorRef Sender { get; }
}

/// <summary>Stands for "nothing was received": to ask it for its message or sender is an error of the test.</summary>
public sealed class NullMessageEnvelope : MessageEnvelope
{
    public static readonly NullMessageEnvelope Instance = new();

    private NullMessageEnvelope() { }

    public override object Message => throw NothingReceived();

    public override IActorRef Sender => throw NothingReceived();

    public override string ToString() => "<null>";

    private static IllegalActorStateException NothingReceived() => new("last receive did not dequeue a message");
}

public sealed class RealMessageEnvelope(object message, IActorRef sender) : MessageEnvelope
{
    public override object Message { get; } = message;

    public override IActorRef Sender { get; } = sender;

    public override string ToString() => $"<{Message}> from {Sender ?? ActorRefs.NoSender}";
}
