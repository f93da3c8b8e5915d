using Akka.Actor;

namespace Akka.TestKit;

/// <summary>What a test says to its own test actor; everything else lands in the queue.</summary>
public static class TestActor
{
    public delegate bool Ignore(object message);

    public sealed class SetIgnore(Ignore? ignore) : INoSerializationVerificationNeeded
    {
        public Ignore? Ignore { get; } = ignore;
    }

    public sealed class SetAutoPilot(AutoPilot autoPilot) : INoSerializationVerificationNeeded
    {
        public AutoPilot AutoPilot { get; } = autoPilot;
    }

    public sealed class Watch(IActorRef actorToWatch) : INoSerializationVerificationNeeded
    {
        public IActorRef Actor { get; } = actorToWatch;
    }

    public sealed class Unwatch(IActorRef actorToUnwatch) : INoSerializationVerificationNeeded
    {
        public IActorRef Actor { get; } = actorToUnwatch;
    }

    /// <summary>Answers the child's reference.</summary>
    internal sealed record Spawn(Props Props, string? Name, SupervisorStrategy? Strategy) : INoSerializationVerificationNeeded;
}

/// <summary>Queues what it receives for the test; watches, ignores, answers and spawns on the test's behalf.</summary>
internal sealed class QueueingActor(MessageQueue queue) : ActorBase
{
    private readonly ChildStrategy _children = new();
    private AutoPilot _pilot = AutoPilot.NoAutoPilot;
    private TestActor.Ignore? _ignore;

    protected override SupervisorStrategy SupervisorStrategy() => _children;

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case TestActor.SetIgnore set: _ignore = set.Ignore; break;
            case TestActor.SetAutoPilot set: _pilot = set.AutoPilot; break;
            case TestActor.Watch watch: Context.Watch(watch.Actor); break;
            case TestActor.Unwatch unwatch: Context.Unwatch(unwatch.Actor); break;
            case TestActor.Spawn spawn: Sender.Tell(_children.Start(Context, spawn)); break;
            default: Queue(message); break;
        }

        return true;
    }

    private void Queue(object message)
    {
        if (_pilot is not NoAutoPilot)
        {
            var next = _pilot.Run(Sender, message);
            _pilot = next is KeepRunning ? _pilot : next;
        }

        if (_ignore?.Invoke(message) != true)
            queue.Add(new RealMessageEnvelope(message, Sender));
    }
}
