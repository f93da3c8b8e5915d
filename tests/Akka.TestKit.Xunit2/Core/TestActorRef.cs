using System.Runtime.CompilerServices;
using Akka.Actor;
using Akka.Dispatch.SysMsg;
using Akka.Util;

namespace Akka.TestKit;

/// <summary>An actor that runs on the thread that tells it, and that a test may look into.</summary>
public sealed class TestActorRef<TActor> : IInternalActorRef, IWrapsActorRef, IEquatable<TestActorRef<TActor>> where TActor : ActorBase
{
    private readonly LocalActorRef _inner;

    /// <summary>Starts the actor on the calling thread.</summary>
    /// <param name="supervisor">Null is the user guardian.</param>
    public TestActorRef(ActorSystem system, Props actorProps, IActorRef? supervisor = null, string? name = null)
    {
        var parent = (ActorRefWithCell)(supervisor switch
        {
            null => ((ExtendedActorSystem)system).Guardian,
            IWrapsActorRef wrapper => wrapper.Ref,
            _ => supervisor,
        });
        bool choosesDispatcher = actorProps.Deploy.Dispatcher is { Length: > 0 } chosen && chosen != Deploy.NoDispatcherGiven;
        var here = choosesDispatcher ? actorProps : actorProps.WithDispatcher(CallingThreadDispatcher.Id);
        _inner = (LocalActorRef)((ActorCell)parent.Underlying).ActorOf(here, name);
    }

    public IActorRef Ref => _inner;

    /// <summary>The actor object itself; another one after a restart.</summary>
    public TActor UnderlyingActor => (TActor)ActorOf(_inner.Cell);

    public ActorPath Path => _inner.Path;

    [Obsolete("Watch the actor instead.")]
    public bool IsTerminated => _inner.IsTerminated;

    public bool IsLocal => _inner.IsLocal;

    IInternalActorRef IInternalActorRef.Parent => _inner.Parent;

    IActorRefProvider IInternalActorRef.Provider => _inner.Provider;

    public static bool operator ==(TestActorRef<TActor>? testActorRef, IActorRef? actorRef) => testActorRef?.Equals(actorRef) ?? actorRef is null;

    public static bool operator !=(TestActorRef<TActor>? testActorRef, IActorRef? actorRef) => !(testActorRef == actorRef);

    /// <summary>Hands the message to the actor past its mailbox; what the actor throws reaches the test.</summary>
    public void Receive(object message, IActorRef? sender = null) =>
        _inner.Cell.UseThreadContext(() => _inner.Cell.ReceiveMessageForTest(new Envelope(message, sender ?? ActorRefs.NoSender, _inner.Cell.System)));

    public void Tell(object message) => Tell(message, ActorCell.GetCurrentSelfOrNoSender());

    public void Tell(object message, IActorRef sender) => _inner.Tell(message, sender);

    public void Forward(object message) => Tell(message, ActorCell.GetCurrentSenderOrNoSender());

    public void Watch(IActorRef subject) => _inner.Cell.UseThreadContext(() => _inner.Cell.Watch(subject));

    public void Unwatch(IActorRef subject) => _inner.Cell.UseThreadContext(() => _inner.Cell.Unwatch(subject));

    public override string ToString() => $"TestActor[{_inner.Path}]";

    public override bool Equals(object? obj) => obj is TestActorRef<TActor> other ? _inner.Equals(other._inner) : _inner.Equals(obj);

    public bool Equals(TestActorRef<TActor>? other) => Equals((object?)other);

    public bool Equals(IActorRef? other) => Equals((object?)other);

    public override int GetHashCode() => _inner.GetHashCode();

    public int CompareTo(object? obj) => _inner.CompareTo(obj is TestActorRef<TActor> other ? other._inner : obj);

    public int CompareTo(IActorRef? other) => CompareTo((object?)other);

    public ISurrogate ToSurrogate(ActorSystem system) => _inner.ToSurrogate(system);

    public void SendSystemMessage(ISystemMessage message) => _inner.SendSystemMessage(message);

    [Obsolete("Use SendSystemMessage(message) instead.")]
    public void SendSystemMessage(ISystemMessage message, IActorRef sender) => _inner.SendSystemMessage(message);

    IActorRef IInternalActorRef.GetChild(IReadOnlyList<string> name) => _inner.GetChild(name);

    void IInternalActorRef.Resume(Exception? causedByFailure) => _inner.Resume(causedByFailure);

    void IInternalActorRef.Start() => _inner.Start();

    void IInternalActorRef.Stop() => _inner.Stop();

    void IInternalActorRef.Restart(Exception cause) => _inner.Restart(cause);

    void IInternalActorRef.Suspend() => _inner.Suspend();

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_Actor")]
    private static extern ActorBase ActorOf(ActorCell cell);
}

/// <summary>Stands for another reference, of an actor that really runs.</summary>
internal interface IWrapsActorRef
{
    IActorRef Ref { get; }
}
