using Akka.Actor;

namespace Akka.TestKit;

/// <summary>What the test tells its own actor to do.</summary>
public abstract partial class TestKitBase
{
    /// <summary>From now on, messages for which this is true never reach the queue.</summary>
    public void IgnoreMessages(Func<object, bool> shouldIgnoreMessage) => SetIgnore(message => shouldIgnoreMessage(message));

    public void IgnoreMessages<TMsg>(Func<TMsg, bool> shouldIgnoreMessage) =>
        SetIgnore(message => message is TMsg typed && shouldIgnoreMessage(typed));

    public void IgnoreMessages<TMsg>() => SetIgnore(message => message is TMsg);

    public void IgnoreNoMessages() => SetIgnore(ignore: null);

    /// <summary>The test actor receives <see cref="Terminated"/> when that actor ends.</summary>
    public IActorRef Watch(IActorRef actorToWatch)
    {
        _testActor.Tell(new global::Akka.TestKit.TestActor.Watch(actorToWatch));
        return actorToWatch;
    }

    public IActorRef Unwatch(IActorRef actorToUnwatch)
    {
        _testActor.Tell(new global::Akka.TestKit.TestActor.Unwatch(actorToUnwatch));
        return actorToUnwatch;
    }

    public Task<IActorRef> WatchAsync(IActorRef actorToWatch) => Task.FromResult(Watch(actorToWatch));

    public Task<IActorRef> UnwatchAsync(IActorRef actorToUnwatch) => Task.FromResult(Unwatch(actorToUnwatch));

    public void SetAutoPilot(AutoPilot pilot) => _testActor.Tell(new global::Akka.TestKit.TestActor.SetAutoPilot(pilot));

    private void SetIgnore(global::Akka.TestKit.TestActor.Ignore? ignore) => _testActor.Tell(new global::Akka.TestKit.TestActor.SetIgnore(ignore));
}
