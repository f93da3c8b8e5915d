using Akka.Actor;
using Akka.Event;
using Riser.Actors.Backends;
using static Riser.Actors.Devices.NodeProtocol;

namespace Riser.Actors.Devices;

/// <summary>One node: starts a bus for each backend and an actor for each device that is found.</summary>
internal sealed class NodeActor : UntypedActor, IWithUnboundedStash
{
    private readonly IReadOnlyList<IPciBackend> _backends;
    private readonly DeviceSettings _settings;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly SortedDictionary<string, DeviceFound> _present = new(StringComparer.Ordinal);
    private readonly Dictionary<DeviceId, IActorRef> _actors = [];
    private readonly HashSet<IActorRef> _watchers = [];
    private readonly HashSet<string> _looking;

    public NodeActor(IReadOnlyList<IPciBackend> backends, DeviceSettings settings)
    {
        _backends = backends;
        _settings = settings;
        _looking = [.. backends.Select(b => b.Name)];
    }

    public IStash Stash { get; set; } = null!;

    public static Props Props(IReadOnlyList<IPciBackend> backends, DeviceSettings settings) =>
        Akka.Actor.Props.Create(() => new NodeActor(backends, settings));

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(cause =>
    {
        _log.Error(cause, "{0} failed", Sender.Path.Name);
        return Directive.Restart;
    });

    protected override void PreStart()
    {
        foreach (var backend in _backends)
            Context.ActorOf(BusActor.Props(backend), $"bus-{backend.Name}");
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case BusProtocol.Found found: Add(found); break;
            case BusProtocol.Lost lost: Remove(lost.Device); break;
            case BusProtocol.Looked looked: Looked(looked.Backend); break;
            case BusProtocol.Failed failed: Looked(failed.Backend); break;
            case Terminated gone: _watchers.Remove(gone.ActorRef); break;
            case ICommand when _looking.Count > 0: Stash.Stash(); break;
            case FindDevice find: Find(find); break;
            case ListDevices: Sender.Tell(List()); break;
            case WatchDevices:
                _watchers.Add(Sender);
                Context.Watch(Sender);
                Sender.Tell(List());
                break;
            case CloseAll:
                Context.ActorOf(CloseAllActor.Props([.. _actors.Values], Sender));
                break;
            default: Unhandled(message); break;
        }
    }

    private void Looked(string backend)
    {
        if (_looking.Remove(backend) && _looking.Count == 0)
            Stash.UnstashAll();
    }

    private void Add(BusProtocol.Found found)
    {
        var id = found.Device.Id;
        if (_actors.TryGetValue(id, out var actor))
            actor.Tell(found);
        else
            _actors[id] = actor = Context.ActorOf(DeviceActor.Props(found, _settings), id.ActorName);
        var entry = new DeviceFound(found.Device, actor);
        bool isNew = !_present.ContainsKey(id.ToString());
        _present[id.ToString()] = entry;
        if (isNew)
            Tell(new DeviceAdded(entry));
    }

    private void Remove(DeviceId device)
    {
        if (!_present.Remove(device.ToString()))
            return;
        _actors[device].Tell(new BusProtocol.Lost(device));
        Tell(new DeviceRemoved(device));
    }

    private void Find(FindDevice find)
    {
        if (_present.TryGetValue(find.Device.ToString(), out var found))
        {
            Sender.Tell(found);
            return;
        }
        if (_backends.All(b => b.Name != find.Device.Backend))
        {
            Sender.Tell(new Refused(
                find,
                Errno.ENODEV,
                $"{find.Device} is of the backend '{find.Device.Backend}', which is not enabled",
                $"Enable it in riser.backends.enabled, which is [{string.Join(", ", _backends.Select(b => b.Name))}]."));
            return;
        }
        string known = _present.Count == 0 ? "none was found" : string.Join(", ", _present.Keys.Take(8)) + (_present.Count > 8 ? ", …" : string.Empty);
        Sender.Tell(new Refused(find, Errno.ENODEV, $"There is no device {find.Device} on this node", $"Devices that are there: {known}."));
    }

    private NodeProtocol.Devices List() => new([.. _present.Values]);

    private void Tell(object change)
    {
        foreach (var watcher in _watchers)
            watcher.Tell(change);
    }

    /// <summary>Closes devices side by side and answers when the last one is closed.</summary>
    private sealed class CloseAllActor : UntypedActor
    {
        private readonly HashSet<IActorRef> _open;
        private readonly IActorRef _asker;

        public CloseAllActor(IReadOnlyList<IActorRef> devices, IActorRef asker)
        {
            _open = [.. devices];
            _asker = asker;
        }

        public static Props Props(IReadOnlyList<IActorRef> devices, IActorRef asker) =>
            Akka.Actor.Props.Create(() => new CloseAllActor(devices, asker));

        protected override void PreStart()
        {
            foreach (var device in _open)
                device.Tell(new DeviceState.Stop()); // whoever owns it
            Finish();
        }

        // A device that hangs answers Quarantined: no more can be done for it.
        protected override void OnReceive(object message)
        {
            if (message is not DeviceProtocol.IEvent)
            {
                Unhandled(message);
                return;
            }
            _open.Remove(Sender);
            Finish();
        }

        private void Finish()
        {
            if (_open.Count > 0)
                return;
            _asker.Tell(new AllClosed());
            Context.Stop(Self);
        }
    }
}
