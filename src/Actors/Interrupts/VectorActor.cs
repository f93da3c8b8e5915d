using Akka.Actor;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;
using static Riser.Actors.Interrupts.InterruptProtocol;

namespace Riser.Actors.Interrupts;

/// <summary>
/// The control side of one vector: who subscribes, masks, state. Interrupts do not pass through its mailbox; they go from
/// <see cref="VectorChannel"/> to the subscribers, in this actor's name. Its parent is the device.
/// </summary>
internal sealed class VectorActor : UntypedActor
{
    private readonly VectorChannel _channel;

    public VectorActor(VectorChannel channel)
    {
        _channel = channel;
        _channel.SendAs(Self);
        foreach (var subscriber in _channel.SubscriberRefs) // after a restart
            Context.Watch(subscriber);
    }

    public static Props Props(VectorChannel channel) => Akka.Actor.Props.Create<VectorActor>(channel).WithMailbox(SmallMailbox.Section);

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case Subscribe { Counting: not (InterruptCounting.Exact or InterruptCounting.EdgeOnly) } subscribe:
                Refuse(subscribe, $"{(int)subscribe.Counting} is no way of counting", "Subscribe with Exact or EdgeOnly.");
                break;
            case Subscribe subscribe when (subscribe.Subscriber ?? Sender).IsNobody():
                Refuse(subscribe, "Nobody cannot subscribe", "Name a subscriber, or subscribe as an actor of your own.");
                break;
            case Subscribe subscribe:
                Subscribe(subscribe, subscribe.Subscriber ?? Sender);
                break;
            case Unsubscribe unsubscribe:
                Forget(unsubscribe.Subscriber ?? Sender);
                Sender.Tell(new Unsubscribed(_channel.Vector));
                break;
            case Terminated gone:
                _channel.Unsubscribe(gone.ActorRef);
                break;
            case Mask { Place: MaskPlace.Runtime }:
                _channel.Mask(masked: true);
                Sender.Tell(new Masked(_channel.Vector, MaskPlace.Runtime));
                break;
            case Unmask { Place: MaskPlace.Runtime }:
                _channel.Mask(masked: false);
                Sender.Tell(new Unmasked(_channel.Vector, MaskPlace.Runtime));
                break;
            case Mask { Place: not MaskPlace.Hardware } or Unmask { Place: not MaskPlace.Hardware }:
                Refuse((ICommand)message, "A mask is in the runtime or in hardware", "Say MaskPlace.Runtime or MaskPlace.Hardware.");
                break;
            case Trigger { Times: < 1 or > MostTriggers } trigger:
                Refuse(trigger, $"A vector cannot be triggered {trigger.Times} times", $"Trigger it 1 to {MostTriggers} times.");
                break;
            case SetAffinity { Cpus: null or { Count: 0 } } affinity:
                Sender.Tell(new Refused(affinity, Errno.EINVAL, "A vector needs a CPU to interrupt", "Name at least one."));
                break;
            case Mask or Unmask or Trigger or SetAffinity:
                Context.Parent.Forward(new VectorRequest(_channel, (ICommand)message));
                break;
            case DuplicateEventFd duplicate:
                Sender.Tell(Duplicate(duplicate));
                break;
            case InterruptProtocol.Describe:
                _channel.Drain();
                Sender.Tell(Describe());
                break;
            case SessionReady:
                _channel.Armed = true;
                _channel.Publish(message);
                break;
            case SessionLost:
                _channel.Armed = false;
                _channel.MaskedInHardware = false;
                _channel.Publish(message);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Refuse(ICommand command, string why, string fix) => Sender.Tell(new Refused(command, Errno.EINVAL, why, fix));

    private void Subscribe(Subscribe subscribe, IActorRef subscriber)
    {
        if (subscribe.Set?.Reserve(subscriber, _channel) is { } refusal)
        {
            Sender.Tell(new Refused(subscribe, refusal.Errno, refusal.Why, refusal.Fix));
            return;
        }

        Context.Watch(subscriber);
        _channel.Subscribe(subscriber, subscribe.Counting, signal => Sender.Tell(new Subscribed(signal, Describe())), subscribe.Set);
    }

    private object Duplicate(DuplicateEventFd command)
    {
        if (Sender is IActorRefScope { IsLocal: false })
            return new Refused(command, Errno.EOPNOTSUPP, "A descriptor cannot leave its process in a message", "Ask from the device's node, and pass the descriptor on by SCM_RIGHTS.");
        try
        {
            return new EventFdDuplicated(_channel.Vector, new VectorEventFd(_channel.EventFd.Duplicate()));
        }
        catch (NativeException refused)
        {
            return new Refused(command, refused.Errno, refused.Message, "Raise the limit of open files (ulimit -n).");
        }
        catch (ObjectDisposedException)
        {
            return new Refused(command, Errno.ENODEV, "The vector is being given up", "Ask the device for it again.");
        }
    }

    private void Forget(Akka.Actor.IActorRef subscriber)
    {
        Context.Unwatch(subscriber);
        _channel.Unsubscribe(subscriber);
    }

    private Description Describe() => new(
        _channel.Kind,
        _channel.Vector,
        _channel.Armed,
        _channel.IsMasked,
        _channel.MaskedInHardware,
        _channel.Total,
        _channel.Messages,
        _channel.Subscribers,
        _channel.Width);
}
