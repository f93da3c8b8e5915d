using Akka.Actor;
using Riser.Actors.Backends;
using static Riser.Actors.Devices.DeviceProtocol;

namespace Riser.Actors.Devices;

/// <content>
/// What the kernel has to say of the device, and its owner to answer: errors step by step, suspend, removal. Who does not answer leaves the
/// kernel to do what it does without a driver's word; after an error nobody vouches for, the session begins anew.
/// </content>
internal sealed partial class DeviceActor
{
    private readonly Dictionary<long, SessionEvent> _awaited = []; // events of the present session that wait for an answer

    /// <param name="notice">What made us look; null: nothing did.</param>
    private void LookForEvents(SessionNotice? notice)
    {
        long epoch = _state.History.Epoch;
        Send(new SessionProtocol.TakeEvents(), new InFlight(ActorRefs.Nobody, reply =>
        {
            if (epoch == _state.History.Epoch && _state is DeviceState.Ready && reply is SessionProtocol.EventsTaken taken)
                Hear(notice, taken.Events);
            return null;
        }, _ => null));
    }

    private void Hear(SessionNotice? notice, IReadOnlyList<SessionEvent>? events)
    {
        if (events is null) // the backend says no more than that
        {
            if (notice == SessionNotice.DeviceError)
                Lose(SessionFailure.DeviceError, Errno.EIO, "the device reported an uncorrectable error");
            else if (notice == SessionNotice.RemovalRequested)
                Lose(SessionFailure.RemovalRequested, Errno.ENODEV, "the kernel, or the broker in its place, asks for the device back");
            return;
        }
        foreach (var heard in events)
        {
            if (_state is DeviceState.Ready)
                Hear(heard);
        }
    }

    private void Hear(SessionEvent heard)
    {
        long epoch = _state.History.Epoch;
        switch (heard)
        {
            case { Kind: SessionEventKind.Error or SessionEventKind.RegistersReachable or SessionEventKind.LinkReset, Deadline: { } deadline }:
                Await(heard, deadline, new DeviceErrorDetected(Device, epoch, heard.Sequence, heard.Kind, heard.Severity, deadline));
                break;
            case { Kind: SessionEventKind.Error or SessionEventKind.RegistersReachable or SessionEventKind.LinkReset }:
                Lose(SessionFailure.DeviceError, Errno.EIO, $"the device reported an error ({heard.Kind}), and the kernel has gone on without an answer");
                break;
            case { Kind: SessionEventKind.ErrorOver }:
                Announce(new DeviceErrorOver(Device, epoch));
                break;
            case { Kind: SessionEventKind.Suspend, Deadline: { } deadline }:
                Await(heard, deadline, new SuspendRequested(Device, epoch, heard.Sequence, deadline));
                break;
            case { Kind: SessionEventKind.Suspend }:
                break; // it goes ahead; there is nothing to answer
            case { Kind: SessionEventKind.Resumed }:
                Announce(new SystemResumed(Device, epoch));
                break;
            case { Kind: SessionEventKind.Remove, Deadline: { } deadline }:
                Await(heard, deadline / 2, new RemovalRequested(Device, epoch, heard.Sequence, deadline)); // the other half is for ending the session
                break;
            case { Kind: SessionEventKind.Remove }:
                Lose(SessionFailure.RemovalRequested, Errno.ENODEV, "the kernel, or the broker in its place, asks for the device back");
                break;
            default:
                Lose(SessionFailure.DeviceError, Errno.EIO, "somebody else has reset the device; its registers are as after a reset");
                break;
        }
    }

    private void Await(SessionEvent heard, TimeSpan time, IEvent announced)
    {
        _awaited[heard.Sequence] = heard;
        Timers.StartSingleTimer(LateKey(heard.Sequence), new AnswerLate(_state.History.Epoch, heard.Sequence), time);
        Announce(announced);
    }

    private void Answer(Reply reply)
    {
        if (!Sender.Equals(_state.Owner))
            Sender.Tell(new Refused(reply, Errno.EPERM, $"Only the owner of {Device} answers for it", "Open the device, or take it over."));
        else if (!Enum.IsDefined(reply.Answer))
            Sender.Tell(new Refused(reply, Errno.EINVAL, $"{reply.Answer} is no answer", "Use one of SessionReply."));
        else if (!_awaited.TryGetValue(reply.Event, out var heard) || _state is not DeviceState.Ready)
            Sender.Tell(new Refused(reply, Errno.ENOENT, $"Nobody waits for an answer to event {reply.Event} of {Device} (any more)", "Answer within the event's deadline, once."));
        else if (heard.Kind == SessionEventKind.Remove)
            LetGo(heard, Sender);
        else
            Pass(reply, heard, Sender);
    }

    private void LetGo(SessionEvent heard, IActorRef owner)
    {
        Forget(heard.Sequence);
        owner.Tell(new Replied(Device, heard.Sequence));
        Lose(SessionFailure.RemovalRequested, Errno.ENODEV, "the kernel asks for the device back, and its owner has let it go");
    }

    private void Pass(Reply reply, SessionEvent heard, IActorRef owner)
    {
        long epoch = _state.History.Epoch;
        Send(new SessionProtocol.ReplyTo(heard, reply.Answer), new InFlight(
            owner,
            answer =>
            {
                if (answer is Refused refused)
                    return refused with { Command = reply };
                if (epoch != _state.History.Epoch)
                    return new Replied(Device, heard.Sequence);
                Forget(heard.Sequence);
                if (reply.Answer == SessionReply.Disconnect && heard.Kind != SessionEventKind.Suspend)
                    Lose(SessionFailure.DeviceError, Errno.EIO, $"the device reported an error ({heard.Kind}), and its owner has given it up");
                return new Replied(Device, heard.Sequence);
            },
            lost => lost with { Command = reply }));
    }

    private void Late(AnswerLate late)
    {
        if (late.Epoch != _state.History.Epoch || !_awaited.Remove(late.Event, out var heard))
            return;
        if (heard.Kind == SessionEventKind.Remove)
            Lose(SessionFailure.RemovalRequested, Errno.ENODEV, "the kernel asks for the device back");
        else if (heard.Kind != SessionEventKind.Suspend)
            Lose(SessionFailure.DeviceError, Errno.EIO, $"the device reported an error ({heard.Kind}), and nobody answered for it in time");
    }

    private void Lose(SessionFailure failure, Errno errno, string why) =>
        Decide(new SessionProtocol.Failed(_state.History.Epoch, failure, errno, why));

    private void Forget(long sequence)
    {
        _awaited.Remove(sequence);
        Timers.Cancel(LateKey(sequence));
    }

    private void ForgetEvents()
    {
        foreach (long sequence in _awaited.Keys.ToArray())
            Forget(sequence);
    }

    private static string LateKey(long sequence) => $"{nameof(AnswerLate)}-{sequence}";

    private sealed record AnswerLate(long Epoch, long Event) : INoSerializationVerificationNeeded;
}
