using Akka.Actor;
using Akka.Event;
using Riser.Actors.Backends;
using Riser.Actors.Dma;
using Riser.Actors.Interop;
using Riser.Actors.Interrupts;
using Riser.Actors.Reactor;
using static Riser.Actors.Devices.DeviceProtocol;

namespace Riser.Actors.Devices;

/// <summary>
/// The public address of one device, stable for its whole life: performs what <see cref="DeviceState"/> decides, hands commands to the
/// session, and keeps account of what the next session has to set up.
/// </summary>
internal sealed partial class DeviceActor : UntypedActor, IWithTimers
{
    private readonly BusProtocol.Found _found;
    private readonly DeviceSettings _settings;
    private readonly EventLoop _loop;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly HashSet<IActorRef> _watchers = [];
    private readonly HashSet<IActorRef> _waiting = []; // for the next SessionReady, Quarantined or Closed
    private readonly Dictionary<long, InFlight> _inFlight = [];
    private readonly Dictionary<SessionNotice, SignalSource> _notices = [];
    private readonly HashSet<SessionNotice> _early = []; // given while the session was being opened
    private DeviceState _state = new DeviceState.Closed(DeviceState.Past.None);
    private DeviceDescription _description;
    private readonly DeviceCounters _counters;
    private DeviceParts _parts;
    private (IActorRef Session, DeviceParts Parts)? _stranded; // what a session that hangs may still reach
    private IActorRef? _session;
    private SessionInfo? _info;
    private IReadOnlyDictionary<DmaPiece, IovaRange>? _places; // where the session has put what has no IOVA of its own
    private bool _present = true;
    private bool _beatIsOut;
    private long _nextId;
    private int _nextRegion;

    public DeviceActor(BusProtocol.Found found, DeviceSettings settings)
    {
        _found = found;
        _description = found.Device;
        _settings = settings;
        _counters = new(found.Device.Id);
        _parts = new(_counters);
        _loop = Reactor.Reactor.For(Context.System).Assign();
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private DeviceId Device => _description.Id;

    public static Props Props(BusProtocol.Found found, DeviceSettings settings) =>
        Akka.Actor.Props.Create(() => new DeviceActor(found, settings)).WithDispatcher("riser.device-dispatcher").WithMailbox(SmallMailbox.Section);

    // A session that crashes comes back only to answer what it was asked; a region or vector loses nothing by a restart.
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(cause =>
    {
        _log.Error(cause, "{0} of {1} crashed", Sender.Path.Name, Device);
        return Directive.Restart;
    });

    protected override void PreStart()
    {
        Telemetry.Add(_counters);
        if (_description.Group is { } group)
            _found.Bus.Tell(new BusProtocol.Join(Device, group));
    }

    protected override void PostStop()
    {
        foreach (var notice in _notices.Values)
            notice.Dispose();
        // The children have stopped before: whatever session there was has closed its handle.
        _parts.Dispose();
        _stranded?.Parts.Dispose();
        Telemetry.Remove(_counters);
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case Open open: Own(open.Owner ?? Sender, owner => new DeviceState.Start(owner), open); break;
            case TakeOver take: Own(take.Owner ?? Sender, owner => new DeviceState.Take(owner), take); break;
            case Close when _state.Owner is { } owner && !Sender.Equals(owner):
                Sender.Tell(new Refused(message, Errno.EPERM, $"{Device} is open for {owner}", "Only its owner closes it; take it over first."));
                break;
            case Close: Decide(new DeviceState.Stop()); break;
            case Resume: Decide(new DeviceState.Resumed(), message); break;
            case Describe: Sender.Tell(Description()); break;
            case Watch:
                _watchers.Add(Sender);
                Context.Watch(Sender);
                Sender.Tell(Description());
                break;
            case Unwatch:
                _watchers.Remove(Sender);
                Unless(Sender.Equals(_state.Owner), Sender);
                Sender.Tell(new Unwatched(Device));
                break;

            case OpenBar open when !Sender.Equals(_state.Owner):
                Sender.Tell(new Refused(open, Errno.EPERM, $"Only the owner of {Device} gets direct access to its registers", "Open the device, take it over, or use ReadBar and WriteBar."));
                break;
            case OpenBar open: Run(new SessionProtocol.LendBar(open.Bar), open); break;
            case CreateDmaRegion create: CreateRegion(create); break;
            case OpenVectors open: OpenVectors(open); break;
            case Reply reply: Answer(reply); break;
            case AllocateMemory or ReadBar or WriteBar or ReadConfig or WriteConfig or DeviceProtocol.Reset: Run(message, message); break;

            case DmaMapping.Add or DmaMapping.Remove: MapForRegion(message); break;
            case VectorRequest request: AskForVector(request); break;

            case SessionProtocol.Opened opened when opened.Epoch == _state.History.Epoch: _places = opened.Places; Decide(opened); break;
            case SessionProtocol.Ran ran: Ran(ran); break;
            case SessionProtocol.Ended ended: SessionOver(Sender); Decide(ended); break;
            case DmaProtocol.PiecesAdded or Refused or DmaProtocol.SessionLost: RegionAnswered(message); break;
            case SessionProtocol.Beating beating when beating.Epoch == _state.History.Epoch: _beatIsOut = false; break;
            case SessionProtocol.Beating: break;
            case HeartbeatDue: Beat(); break;
            case HeartbeatLate late when _beatIsOut: Decide(new DeviceState.Overdue(late.Epoch, "a heartbeat", _settings.HeartbeatTimeout)); break;
            case HeartbeatLate: break;
            case Noticed noticed: Notice(noticed); break;
            case AnswerLate late: Late(late); break;
            case BusProtocol.Found found: _description = found.Device; _present = true; Decide(new DeviceState.Arrived()); break;
            case BusProtocol.Lost: _present = false; Decide(new DeviceState.Departed()); break;
            case Terminated gone: Ended(gone.ActorRef); break;
            default: Decide(message, message); break;
        }
    }

    private void Own(IActorRef owner, Func<IActorRef, object> ask, object command)
    {
        if (owner.IsNobody())
        {
            _log.Warning("{0} was opened without an owner", Device);
            Sender.Tell(new Refused(command, Errno.EINVAL, $"{Device} cannot be opened for nobody", "Name an owner, or send the command as an actor of your own."));
            return;
        }
        Decide(ask(owner), command);
        if (owner.Equals(_state.Owner))
            Context.Watch(owner);
    }

    private void Decide(object message, object? command = null)
    {
        var around = new DeviceState.Surroundings(
            Device,
            Sender,
            _settings.Restart,
            Context.System.Scheduler.MonotonicClock,
            Random.Shared.NextDouble(),
            _present,
            SessionHangs: _stranded is not null || (_session is not null && _state is DeviceState.Quarantined), // nothing else keeps one alive
            _settings.EndTimeout);
        var former = _state;
        (_state, var effects) = _state.On(message, around);
        _counters.Phase = _state.Phase;
        _counters.Restarts = _state.History.TotalRestarts;
        if (former.Phase != _state.Phase)
            _log.Debug("{0}: {1} -> {2}", Device, former.Phase, _state.Phase);
        foreach (var effect in effects)
            Perform(effect, command);
    }

    private void Perform(DeviceState.Effect effect, object? command)
    {
        switch (effect)
        {
            case DeviceState.Effect.StartSession start: StartSession(start.Epoch); break;
            case DeviceState.Effect.EndSession end: EndSession(end.Within); break;
            case DeviceState.Effect.AbandonSession: AbandonSession(); break;
            case DeviceState.Effect.BackOff { Delay.Ticks: 0 }: Self.Tell(new DeviceState.Elapsed()); break; // the scheduler would make a tick of it
            case DeviceState.Effect.BackOff backOff: Timers.StartSingleTimer(nameof(DeviceState.Elapsed), new DeviceState.Elapsed(), backOff.Delay); break;
            case DeviceState.Effect.Announce announce: Announce(announce.Event); break;
            case DeviceState.Effect.Answer answer: answer.To.Tell(answer.Message); break;
            case DeviceState.Effect.AnswerLater later: _waiting.Add(later.To); break;
            case DeviceState.Effect.Refuse refuse: Sender.Tell(new Refused(command ?? "?", refuse.Errno, refuse.Why, refuse.Fix)); break;
            case DeviceState.Effect.Revoke revoke: Revoke(revoke.Former, revoke.By); break;
            case DeviceState.Effect.RevokeBars: _session?.Tell(new SessionProtocol.Run(++_nextId, new SessionProtocol.RevokeBars())); break;
            case DeviceState.Effect.ReleaseAll release: ReleaseAll(release.Former); break;
            case DeviceState.Effect.Unhandled unknown: Unhandled(unknown.Message); break;
            default: throw new InvalidOperationException(effect.GetType().Name);
        }
    }

    private void StartSession(long epoch)
    {
        Timers.Cancel(nameof(DeviceState.Elapsed));
        _beatIsOut = false;
        _early.Clear();
        if (Notices(epoch) is not { } notices)
            return;
        var plan = new SessionProtocol.Plan(_parts.Pieces, _parts.Kind, _parts.EventFds, _parts.Affinities, notices);
        _session = Context.ActorOf(SessionActor.Props(_found.Backend, Device, epoch, plan), $"session-{epoch}");
        _session.Tell(new SessionProtocol.Start());
        Context.Watch(_session);
        Limit(epoch, "opening the session", _settings.OpenTimeout);
    }

    // New ones for each session: a notice that was given to a former session must not end this one.
    // Null: there is no room for them, and the session has failed before it began.
    private Dictionary<SessionNotice, EventFdHandle>? Notices(long epoch)
    {
        DropNotices();
        try
        {
            foreach (var notice in Enum.GetValues<SessionNotice>())
                _notices[notice] = Listen(new NoticeHandler(Self, epoch, notice));
            return _notices.ToDictionary(n => n.Key, n => n.Value.EventFd);
        }
        catch (NativeException fault)
        {
            DropNotices();
            Lose(SessionFailure.OpenFailed, fault.Errno, $"no eventfd could be made for its notices: {fault.Message}. {RoomFor(fault.Errno)}");
            return null;
        }
    }

    private SignalSource Listen(NoticeHandler handler)
    {
        var eventFd = EventFdHandle.Create();
        try
        {
            return _loop.Register(eventFd, handler);
        }
        catch
        {
            eventFd.Dispose(); // still ours
            throw;
        }
    }

    private void DropNotices()
    {
        foreach (var notice in _notices.Values)
            notice.Dispose();
        _notices.Clear();
    }

    private void EndSession(TimeSpan within)
    {
        ForgetEvents();
        Timers.Cancel(nameof(HeartbeatDue));
        if (_session is null) // it could not even be started
        {
            Self.Tell(new SessionProtocol.Ended(_state.History.Epoch));
            return;
        }
        _session.Tell(new SessionProtocol.End());
        Limit(_state.History.Epoch, "ending the session", within);
    }

    private void AbandonSession()
    {
        _session!.Tell(new SessionProtocol.End()); // should it ever come back
        ForgetEvents();
        Timers.CancelAll();
    }

    private void Limit(long epoch, string what, TimeSpan time) =>
        Timers.StartSingleTimer(nameof(DeviceState.Overdue), new DeviceState.Overdue(epoch, what, time), time);

    private void Announce(IEvent announced)
    {
        switch (announced)
        {
            case SessionReady ready:
                _info = ready.Info;
                Timers.Cancel(nameof(DeviceState.Overdue));
                Timers.StartPeriodicTimer(nameof(HeartbeatDue), HeartbeatDue.Instance, _settings.HeartbeatInterval);
                foreach (var region in _parts.Regions)
                    region.Tell(new DmaRegionState.SessionBegun(ready.Epoch, _places));
                foreach (var vector in _parts.Vectors)
                    vector.Tell(new InterruptProtocol.SessionReady(VectorOf(vector), ready.Epoch));
                foreach (var notice in _early)
                    Notice(new Noticed(ready.Epoch, notice));
                if (ready.Info.Iommu.Notifies) // what the kernel said while the session was being opened was not listened to
                {
                    Notice(new Noticed(ready.Epoch, SessionNotice.Invalidation));
                    LookForEvents(notice: null);
                }
                break;
            case SessionLost lost:
                _counters.Losses.AddOrUpdate(lost.Failure, 1, (_, count) => count + 1);
                _log.Warning("{0} lost session {1}: {2}: {3}", Device, lost.Epoch, lost.Failure, lost.Why);
                if (_description.Group is { } group && lost.Failure != SessionFailure.GroupLost)
                    _found.Bus.Tell(new BusProtocol.SessionLost(Device, group));
                foreach (var region in _parts.Regions)
                    region.Tell(new DmaProtocol.SessionLost(lost.Epoch, lost.Failure));
                foreach (var vector in _parts.Vectors)
                    vector.Tell(new InterruptProtocol.SessionLost(VectorOf(vector), lost.Epoch, lost.Failure));
                if (lost.Failure == SessionFailure.Hang)
                    LoseInFlight(lost); // the session will not answer any more; every other ending does
                break;
            case DeviceProtocol.Quarantined quarantined:
                _log.Error("{0} is quarantined: {1}", Device, quarantined.Why);
                break;
            default:
                break;
        }
        Publish(announced, _state.Owner);
    }

    // Watchers, the owner, and those who wait for an answer; each once.
    private void Publish(IEvent announced, IActorRef? owner)
    {
        var hearers = new HashSet<IActorRef>(_watchers);
        if (owner is not null)
            hearers.Add(owner);
        if (announced is SessionReady or DeviceProtocol.Quarantined or Closed)
        {
            hearers.UnionWith(_waiting);
            _waiting.Clear();
        }
        foreach (var hearer in hearers)
            hearer.Tell(announced);
    }

    private static int VectorOf(IActorRef vector) => int.Parse(vector.Path.Name.AsSpan("vector-".Length));

    private void Revoke(IActorRef former, IActorRef by)
    {
        _waiting.Remove(former);
        former.Tell(new Revoked(Device, by));
        foreach (var vector in _parts.Vectors)
            vector.Tell(new InterruptProtocol.Unsubscribe(former));
        Unless(_watchers.Contains(former), former);
    }

    private static void Unless(bool stillNeeded, IActorRef actor)
    {
        if (!stillNeeded)
            Context.Unwatch(actor);
    }

    private void ReleaseAll(IActorRef? owner)
    {
        Timers.CancelAll();
        DropNotices();
        foreach (var child in _parts.Regions.Concat(_parts.Vectors))
            Context.Stop(child);
        if (_session is { } hanging)
        {
            _stranded = (hanging, _parts); // given back when that session ends, and not before
            _session = null;
            _parts = new(_counters);
            ForgetAfterEnd(); // it goes with the rest
        }
        else
        {
            _parts.Dispose();
        }
        Publish(new Closed(Device), owner);
    }

    // The handle is closed: what the session could reach may go.
    private void SessionOver(IActorRef session)
    {
        if (session.Equals(_session))
        {
            _session = null;
            UnmapAfterEnd();
        }
        if (_stranded is { } stranded && stranded.Session.Equals(session))
        {
            stranded.Parts.Dispose();
            _stranded = null;
        }
    }

    private void Ended(IActorRef gone)
    {
        if (gone.Equals(_session))
        {
            long epoch = _state.History.Epoch;
            const string Why = "its actor was stopped";
            Decide(new SessionProtocol.Failed(epoch, SessionFailure.Crash, Errno.EIO, Why));
            LoseInFlight(new SessionLost(Device, epoch, SessionFailure.Crash, Why));
            SessionOver(gone);
            Decide(new SessionProtocol.Ended(epoch));
            return;
        }
        if (_parts.IsRegion(gone))
        {
            EndRegion(gone);
            return;
        }
        _watchers.Remove(gone);
        _waiting.Remove(gone);
        if (gone.Equals(_state.Owner))
        {
            _log.Info("The owner of {0} is gone; closing it", Device);
            Decide(new DeviceState.Stop());
        }
    }

    // Its actor is gone; what it had mapped goes before its memory does.
    private void EndRegion(IActorRef region)
    {
        var pieces = _parts.PiecesOf(region);
        _parts.Unmapped(region, pieces);
        if (_session is null)
        {
            _parts.DropRegion(region);
            return;
        }
        if (!HasSession) // it is being ended, or hangs
        {
            _dropAfterEnd.Add(region);
            return;
        }
        // Asked also where nothing is mapped: what the region has asked for last may still be under way, and is answered before this.
        var parts = _parts;
        Send(new DmaMapping.Remove(pieces), new InFlight(
            ActorRefs.Nobody,
            reply =>
            {
                if (parts.PiecesOf(region).Count == 0)
                    parts.DropRegion(region);
                else if (parts == _parts) // others go with their session
                    EndRegion(region);
                return null;
            },
            lost =>
            {
                _dropAfterEnd.Add(region);
                return null;
            }));
    }

    private void Beat()
    {
        if (_session is null || _state is not DeviceState.Ready)
            return;
        if (_beatIsOut)
            return; // the limit of the one that is out stands
        _beatIsOut = true;
        _session.Tell(new SessionProtocol.Beat());
        Timers.StartSingleTimer(nameof(HeartbeatLate), new HeartbeatLate(_state.History.Epoch), _settings.HeartbeatTimeout);
    }

    private void Notice(Noticed noticed)
    {
        if (noticed.Epoch == _state.History.Epoch && _state is DeviceState.Opening)
            _early.Add(noticed.Notice); // once the session is ready
        if (noticed.Epoch != _state.History.Epoch || _state is not DeviceState.Ready)
            return;
        switch (noticed.Notice)
        {
            case SessionNotice.DeviceError or SessionNotice.RemovalRequested:
                LookForEvents(noticed.Notice);
                break;
            case SessionNotice.Invalidation:
                Send(new SessionProtocol.TakeInvalidations(), new InFlight(ActorRefs.Nobody, reply =>
                {
                    if (reply is SessionProtocol.InvalidationsTaken taken)
                        PassOn(taken.Invalidations);
                    return null;
                }, _ => null));
                break;
            default:
                throw new InvalidOperationException(noticed.Notice.ToString());
        }
    }

    // Which region it was, the regions know.
    private void PassOn(IReadOnlyList<Invalidation> invalidations)
    {
        foreach (var region in _parts.Regions)
        {
            foreach (var gone in invalidations)
                region.Tell(new DmaRegionState.PieceGone(gone.Piece, gone.Cause));
        }
    }
}
