using Akka.Actor;
using Akka.Event;
using Riser.Actors.Backends;
using Riser.Actors.Dma;

namespace Riser.Actors.Devices;

/// <summary>One backend: its discovery, its hot-plug, and its IOMMU groups. Looking can block, so it runs on the session dispatcher.</summary>
internal sealed class BusActor(IPciBackend backend) : UntypedActor
{
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Dictionary<string, IovaSpace> _spaces = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Dictionary<DeviceId, IActorRef>> _groups = new(StringComparer.Ordinal);
    private IDisposable? _watch;

    public static Props Props(IPciBackend backend) =>
        Akka.Actor.Props.Create(() => new BusActor(backend)).WithDispatcher("riser.session-dispatcher");

    protected override void PreStart()
    {
        var self = Self;
        try
        {
            _watch = backend.Watch(change => self.Tell(change, ActorRefs.NoSender));
            foreach (var device in backend.Discover())
                Context.Parent.Tell(Found(device));
            Context.Parent.Tell(new BusProtocol.Looked(backend.Name));
        }
        catch (PciException refusal)
        {
            _log.Warning("The backend {0} found nothing: {1}", backend.Name, refusal.Message);
            Context.Parent.Tell(new BusProtocol.Failed(backend.Name, refusal.Message));
        }
    }

    protected override void PostStop()
    {
        _watch?.Dispose();
        backend.Dispose();
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case DeviceChange.Added added:
                Context.Parent.Tell(Found(added.Device));
                break;
            case DeviceChange.Removed removed:
                Context.Parent.Tell(new BusProtocol.Lost(removed.Device));
                break;
            case BusProtocol.Join join:
                GroupOf(join.Group)[join.Device] = Sender;
                break;
            case BusProtocol.SessionLost lost:
                foreach (var (device, actor) in GroupOf(lost.Group))
                {
                    if (device != lost.Device)
                        actor.Tell(new DeviceState.GroupLost(lost.Device));
                }
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private BusProtocol.Found Found(DeviceDescription device)
    {
        string group = device.Group ?? device.Id.ToString();
        if (!_spaces.TryGetValue(group, out var space))
            _spaces[group] = space = new IovaSpace();
        return new(Self, device, backend, space);
    }

    private Dictionary<DeviceId, IActorRef> GroupOf(string group)
    {
        if (!_groups.TryGetValue(group, out var members))
            _groups[group] = members = [];
        return members;
    }
}
