using Akka.Actor;
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

    public static Props Props(VectorChannel channel) => Akka.Actor.Props.Create(() => new VectorActor(channel));

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case Subscribe subscribe:
                var subscriber = subscribe.Subscriber ?? Sender;
                Context.Watch(subscriber);
                _channel.Subscribe(subscriber, subscribe.Counting, signal => Sender.Tell(new Subscribed(signal, Describe())));
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
            case Trigger { Times: < 1 } trigger:
                Sender.Tell(new Refused(trigger, Errno.EINVAL, $"A vector cannot be triggered {trigger.Times} times", "Trigger it at least once."));
                break;
            case Mask or Unmask or Trigger:
                Context.Parent.Forward(new VectorRequest(_channel.Vector, (ICommand)message));
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
        _channel.Subscribers);
}
