using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using Riser.Actors.Backends;
using Riser.Actors.Dma;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;
using static Riser.Actors.Devices.SessionProtocol;

namespace Riser.Actors.Devices;

/// <summary>
/// Owns the opened handle of one session. Crash-only: whatever goes wrong, the device ends it and makes another. It runs on the
/// session dispatcher, where calls may block; its parent, the device, is the only one that talks to it.
/// </summary>
/// <remarks>
/// No command is lost: one that fails the session, and all that stand behind it, are answered with
/// <see cref="DeviceProtocol.SessionLost"/>. After a crash the next incarnation only does that.
/// </remarks>
internal sealed class SessionActor : UntypedActor
{
    private readonly IPciBackend _backend;
    private readonly DeviceId _device;
    private readonly long _epoch;
    private readonly Plan _plan;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly List<Bar> _lent = [];
    private readonly DmaMapping.Done _done;
    private Dictionary<DmaPiece, IovaRange>? _places; // where the session has put what has no IOVA of its own, by the piece itself
    private IPciSession? _session;
    private Failed? _failed; // from then on nothing reaches the device

    public SessionActor(IPciBackend backend, DeviceId device, long epoch, Plan plan)
    {
        _backend = backend;
        _device = device;
        _epoch = epoch;
        _plan = plan;
        _done = new(epoch);
    }

    public static Props Props(IPciBackend backend, DeviceId device, long epoch, Plan plan) =>
        Akka.Actor.Props.Create(() => new SessionActor(backend, device, epoch, plan)).WithDispatcher("riser.session-dispatcher");

    protected override void PreRestart(Exception reason, object message)
    {
        CloseHandle();
        if (message is Run run)
            Context.Parent.Tell(new Ran(run.Id, _epoch, Lost(run.Command, SessionFailure.Crash, reason.Message)));
    }

    protected override void PostRestart(Exception reason) => Fail(SessionFailure.Crash, Errno.EIO, $"{reason.GetType().Name}: {reason.Message}");

    protected override void PostStop() => CloseHandle();

    protected override void OnReceive(object message)
    {
        BlockingThreads.Release(); // whatever comes now may block
        switch (message)
        {
            case Start:
                Open();
                break;
            case Run run when _failed is { } failed:
                Context.Parent.Tell(new Ran(run.Id, _epoch, Lost(run.Command, failed.Failure, failed.Why)));
                break;
            case Run run:
                object answer = Answer(run.Command);
                BlockingThreads.Keep(); // the device goes on with it on this thread
                Context.Parent.Tell(new Ran(run.Id, _epoch, answer));
                break;
            case Beat:
                Look();
                break;
            case End:
                CloseHandle();
                Context.Parent.Tell(new Ended(_epoch));
                Context.Stop(Self);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Open()
    {
        using var activity = Trace("riser.session.open");
        try
        {
            _session = _backend.Open(_device);
            foreach (var (notice, eventFd) in _plan.Notices)
                _session.Connect(notice, eventFd);
            if (_plan.Pieces.Count > 0)
                Map(_plan.Pieces, _session);
            if (_plan.Kind is { } kind)
                _session.Arm(kind, 0, _plan.EventFds);
            Steer(_plan.Kind, _plan.Affinities, _session);
            Context.Parent.Tell(new Opened(_epoch, _session.Info, _places is null ? null : new Dictionary<DmaPiece, IovaRange>(_places, _places.Comparer)));
        }
        catch (PciException refusal)
        {
            Fail(refusal.Failure ?? SessionFailure.OpenFailed, refusal.Errno, refusal.Message);
        }
    }

    private object Answer(object command)
    {
        try
        {
            return Carry(command, _session ?? throw new InvalidOperationException("A session takes commands only after it has opened."));
        }
        catch (PciException refusal) when (refusal.Failure is null)
        {
            return Refused.Because(command, refusal);
        }
        catch (PciException fault)
        {
            Fail(fault.Failure!.Value, fault.Errno, fault.Message);
            return Lost(command, fault.Failure.Value, fault.Message);
        }
    }

    private object Carry(object command, IPciSession session)
    {
        switch (command)
        {
            case DeviceProtocol.ReadBar read:
                return new DeviceProtocol.BarValue(read.Bar, read.Offset, read.Width, session.Bar(read.Bar).Read(read.Offset, read.Width));
            case DeviceProtocol.WriteBar write:
                session.Bar(write.Bar).Write(write.Offset, write.Width, write.Value);
                return new DeviceProtocol.BarWritten(write.Bar, write.Offset, write.Width);
            case DeviceProtocol.ReadConfig read:
                return new DeviceProtocol.ConfigValue(read.Offset, read.Width, session.ReadConfig(read.Offset, read.Width));
            case DeviceProtocol.WriteConfig write:
                session.WriteConfig(write.Offset, write.Width, write.Value);
                return new DeviceProtocol.ConfigWritten(write.Offset, write.Width);
            case DeviceProtocol.Reset:
                using (Trace("riser.device.reset"))
                    return new DeviceProtocol.ResetDone(_device, session.Reset());
            case LendBar lend:
                var bar = session.Bar(lend.Bar).Lend();
                _lent.Add(bar);
                return new DeviceProtocol.BarOpened(bar, _epoch);
            case RevokeBars:
                EndLent();
                return Done.Instance;
            case DmaMapping.Add add:
                using (Trace("riser.dma.map"))
                    return Map(add.Pieces, session) is { } ranges ? new DmaMapping.Done(_epoch, ranges) : _done;
            case DmaMapping.Remove remove:
                using (Trace("riser.dma.unmap"))
                    Unmap(remove, session);
                return _done;
            case ArmVectors arm:
                Arm(arm, session);
                Steer(arm.Kind, arm.Affinities, session);
                return Done.Instance;
            case DeviceProtocol.AllocateMemory allocate:
                return new DeviceProtocol.MemoryAllocated(DmaMemory.FromDevice(allocate.Size, allocate.Huge, session.AllocateBuffer));
            case MaskVectors mask:
                for (int i = 0; i < mask.Count; i++)
                    session.Mask(mask.Kind, mask.Start + i, mask.Masked);
                return Done.Instance;
            case TriggerVectors trigger:
                for (int i = 0; i < trigger.Times; i++)
                    session.Trigger(trigger.Kind, trigger.Start, trigger.Count);
                return Done.Instance;
            case SetAffinity affinity:
                for (int i = 0; i < affinity.Count; i++)
                    session.SetAffinity(affinity.Kind, affinity.Start + i, affinity.Cpus);
                return Done.Instance;
            case TakeEvents:
                return new EventsTaken(session.TakeEvents());
            case ReplyTo reply:
                if (reply is { Event.Kind: SessionEventKind.LinkReset, Answer: SessionReply.Recover })
                    session.SetBusMaster(true); // the link's reset has turned it off
                session.Reply(reply.Event.Sequence, reply.Answer);
                return Done.Instance;
            case TakeInvalidations:
                return new InvalidationsTaken(session.TakeInvalidations());
            default:
                throw new InvalidOperationException($"No session command: {command.GetType()}.");
        }
    }

    // Where interrupts are handled is a wish: a session is none the worse without it, and most backends have no say in it.
    private void Steer(VectorKind? kind, IReadOnlyList<(int Vector, IReadOnlyList<int> Cpus)> affinities, IPciSession session)
    {
        foreach (var (vector, cpus) in affinities)
        {
            try
            {
                session.SetAffinity(kind!.Value, vector, cpus);
            }
            catch (PciException refused) when (refused.Failure is null && refused.Errno == Errno.EOPNOTSUPP)
            {
                return;
            }
            catch (PciException refused) when (refused.Failure is null)
            {
                _log.Warning("Vector {0} of {1} is not handled on {2}: {3}", vector, _device, string.Join(",", cpus), refused.Message);
            }
        }
    }

    // One call for each run of neighbours, which is nearly always one. Vectors that are armed already are not touched.
    private static void Arm(ArmVectors arm, IPciSession session)
    {
        for (int first = 0, next; first < arm.Vectors.Count; first = next)
        {
            for (next = first + 1; next < arm.Vectors.Count && arm.Vectors[next].Vector == arm.Vectors[next - 1].Vector + 1;)
                next++;
            try
            {
                session.Arm(arm.Kind, arm.Vectors[first].Vector, [.. arm.Vectors.Skip(first).Take(next - first).Select(v => v.EventFd)]);
            }
            catch (PciException refusal) when (refusal.Failure is null && first > 0)
            {
                throw new PciException(refusal.Errno, refusal.Why, refusal.Fix, SessionFailure.CallFailed, refusal); // half of it is done
            }
        }
    }

    private IReadOnlyList<IovaRange>? Map(IReadOnlyList<DmaPiece> pieces, IPciSession session)
    {
        if (session.Map(pieces) is not { } ranges)
            return null;
        _places ??= new(ReferenceEqualityComparer.Instance);
        for (int i = 0; i < pieces.Count; i++)
            _places[pieces[i]] = ranges[i];
        return ranges;
    }

    // The region asks only for what it has; a refusal means that nobody knows any more what is mapped.
    private void Unmap(DmaMapping.Remove remove, IPciSession session)
    {
        try
        {
            foreach (var piece in remove.Pieces)
                session.Unmap(_places is not null && _places.Remove(piece, out var range) ? range : piece.Range);
        }
        catch (PciException refusal) when (refusal.Failure is null)
        {
            throw new PciException(refusal.Errno, refusal.Why, refusal.Fix, SessionFailure.CallFailed, refusal);
        }
    }

    /// <summary>A device that is gone reads as all ones, also where nobody is told of it.</summary>
    private void Look()
    {
        if (_failed is null && _session is { } session)
        {
            try
            {
                if (session.ReadConfig(0, 4) == uint.MaxValue)
                    Fail(SessionFailure.SurpriseRemoval, Errno.ENODEV, "its configuration space reads as all ones");
            }
            catch (PciException fault)
            {
                Fail(fault.Failure ?? SessionFailure.CallFailed, fault.Errno, fault.Message);
            }
        }
        Context.Parent.Tell(new Beating(_epoch));
    }

    private void Fail(SessionFailure failure, Errno errno, string why)
    {
        _failed ??= new Failed(_epoch, failure, errno, why);
        Context.Parent.Tell(_failed);
    }

    private DeviceProtocol.SessionLost Lost(object command, SessionFailure failure, string why) => new(_device, _epoch, failure, why, command);

    private void CloseHandle()
    {
        EndLent();
        if (_session is null)
            return;
        using var activity = Trace("riser.session.end");
        try
        {
            _session.Dispose();
        }
        catch (PciException fault)
        {
            _log.Warning("Session {0} of {1} ended with an error: {2}", _epoch, _device, fault.Message);
        }
        _session = null;
    }

    private Activity? Trace(string name) => Telemetry.Activities.StartActivity(name)?.SetTag("hw.id", _device.ToString()).SetTag("riser.epoch", _epoch);

    private void EndLent()
    {
        foreach (var bar in _lent)
            bar.Revoke();
        _lent.Clear();
    }
}
