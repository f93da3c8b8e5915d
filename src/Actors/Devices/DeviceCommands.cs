using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Dma;
using Riser.Actors.Interop;
using Riser.Actors.Interrupts;
using Riser.Actors.Reactor;
using static Riser.Actors.Devices.DeviceProtocol;

namespace Riser.Actors.Devices;

/// <content>Commands on their way to the session and back. Every one is answered exactly once.</content>
internal sealed partial class DeviceActor
{
    private readonly Dictionary<IActorRef, (IActorRef Client, CreateDmaRegion Command)> _creating = [];
    private readonly Queue<(IActorRef Client, OpenVectors Command)> _armLater = [];
    private readonly List<(IActorRef Region, DmaMapping.Remove Request)> _afterEnd = [];
    private readonly List<IActorRef> _dropAfterEnd = []; // regions that have ended, but the session may still reach their memory
    private bool _arming;

    private bool HasSession => _state is DeviceState.Ready or DeviceState.Opening;

    private void Run(object sessionCommand, object command)
    {
        var client = Sender;
        if (!HasSession)
        {
            client.Tell(NoSession(command));
            return;
        }
        Send(sessionCommand, new InFlight(client, reply => Passing(reply, command), lost => lost with { Command = command }));
    }

    private object Passing(object reply, object command)
    {
        if (reply is ResetDone { OthersToo: true } && _description.Group is { } group)
            _found.Bus.Tell(new BusProtocol.SessionLost(Device, group));
        return reply is Refused refused ? refused with { Command = command } : reply;
    }

    private void Send(object sessionCommand, InFlight inFlight)
    {
        long id = ++_nextId;
        _inFlight.Add(id, inFlight);
        _session!.Tell(new SessionProtocol.Run(id, sessionCommand));
    }

    private void Ran(SessionProtocol.Ran ran)
    {
        if (!_inFlight.Remove(ran.Id, out var inFlight))
            return; // answered already, when the session hung
        object? answer = ran.Reply is SessionLost lost ? inFlight.OnLost(lost) : inFlight.OnReply(ran.Reply);
        if (answer is not null)
            inFlight.Client.Tell(answer);
    }

    private void LoseInFlight(SessionLost lost)
    {
        foreach (var inFlight in _inFlight.Values)
        {
            if (inFlight.OnLost(lost) is { } answer)
                inFlight.Client.Tell(answer);
        }
        _inFlight.Clear();
        foreach (var (region, request) in _afterEnd)
            region.Tell(new DmaProtocol.SessionLost(lost.Epoch, lost.Failure, request));
        _afterEnd.Clear();
    }

    private object NoSession(object command) => _state switch
    {
        DeviceState.Closed or DeviceState.Ending { Failure: null } => new Refused(command, Errno.ENODEV, $"{Device} is not open", "Open it first."),
        DeviceState.Quarantined given => new Refused(command, Errno.ENODEV, $"{Device} is quarantined: {given.Why}", "Find the cause, then send Resume."),
        DeviceState.Ending { Failure: { } failure } => new SessionLost(Device, _state.History.Epoch, failure, _state.History.LastFault ?? string.Empty, command),
        DeviceState.BackingOff backing => new SessionLost(Device, _state.History.Epoch, backing.Failure, _state.History.LastFault ?? string.Empty, command),
        DeviceState.Absent absent => new SessionLost(Device, _state.History.Epoch, absent.Failure, _state.History.LastFault ?? string.Empty, command),
        _ => throw new InvalidOperationException(_state.GetType().Name),
    };

    private void CreateRegion(CreateDmaRegion create)
    {
        if (!HasSession)
        {
            Sender.Tell(NoSession(create));
            return;
        }
        if (_info is null)
        {
            Sender.Tell(new Refused(create, Errno.EAGAIN, $"The first session of {Device} is still being opened", "Wait for SessionReady."));
            return;
        }
        if (_info.Iommu.MaxMappings == 0)
        {
            Sender.Tell(new Refused(
                create,
                Errno.EOPNOTSUPP,
                $"{Device} has no DMA here: its driver can map no memory for it",
                "Turn the IOMMU on, and bind the device to uio_pci_user or vfio-pci."));
            return;
        }
        var options = create.Options;
        if (options?.Memory is null || options.Access is 0 or > DmaAccess.ReadWrite or < 0 || !Enum.IsDefined(options.Policy))
        {
            Sender.Tell(new Refused(create, Errno.EINVAL, "A DMA region needs memory, an access that is reading, writing or both, and a policy that exists", "Give DmaRegionOptions all three."));
            return;
        }
        var cell = new DmaRegionCell(_info.Iommu.Present ? _found.Iovas.For(_info.Iommu) : null, options.Access, options.Policy) { BackendNotifies = _info.Iommu.Notifies };
        var region = Context.ActorOf(DmaRegionActor.Props(cell), $"dma-{++_nextRegion}");
        Context.Watch(region);
        _parts.AddRegion(region, cell);
        _creating[region] = (Sender, create);
        region.Tell(new DmaProtocol.AddPieces([new DmaProtocol.Piece(options.Memory, Iova: options.Iova)]));
    }

    private void RegionAnswered(object answer)
    {
        var region = Sender;
        if (!_creating.Remove(region, out var creating))
        {
            Unhandled(answer);
            return;
        }
        switch (answer)
        {
            case DmaProtocol.PiecesAdded added:
                creating.Client.Tell(new DmaRegionCreated(region, creating.Command.Options.Memory, added.Ranges[0]));
                return;
            case Refused refused:
                creating.Client.Tell(refused with { Command = creating.Command });
                break;
            case DmaProtocol.SessionLost lost:
                creating.Client.Tell(new SessionLost(Device, lost.Epoch, lost.Failure, _state.History.LastFault ?? string.Empty, creating.Command));
                break;
            default:
                throw new InvalidOperationException(answer.GetType().Name);
        }
        Context.Stop(region);
    }

    private void MapForRegion(object request)
    {
        var region = Sender;
        switch (request)
        {
            case var _ when !_parts.IsRegion(region):
                region.Tell(new Refused(request, Errno.ENODEV, $"{region.Path.Name} is no DMA region of {Device} (any more)", "Open the device, and create a region."));
                break;
            case DmaMapping.Add or DmaMapping.Remove when HasSession:
                Send(request, new Mapping(this, region, request));
                break;
            case DmaMapping.Remove remove when _session is null:
                _parts.Unmapped(region, remove.Pieces);
                region.Tell(new DmaMapping.Done(_state.History.Epoch));
                break;
            case DmaMapping.Remove remove when _state is DeviceState.Ending:
                _afterEnd.Add((region, remove)); // until the handle is closed the device can still reach the memory
                break;
            case DmaMapping.Remove remove:
                string why = $"The session of {Device} hangs inside the kernel, and its mappings with it";
                const string Fix = "Wait until the call returns, or reboot.";
                if (remove.Gone)
                    _afterEnd.Add((region, remove)); // nobody would ask again, and the next session must not map what lies there by then
                region.Tell(remove.Gone ? new DmaMapping.Stuck(why, Fix) : new Refused(request, Errno.EBUSY, why, Fix));
                break;
            default:
                region.Tell(new Refused(request, Errno.EAGAIN, $"{Device} has no session now", "Wait for SessionReady."));
                break;
        }
    }

    private object Account(IActorRef region, object request, object reply)
    {
        if (reply is DmaMapping.Done && request is DmaMapping.Add add)
            _parts.Mapped(region, add.Pieces);
        else if (reply is DmaMapping.Done && request is DmaMapping.Remove remove)
            _parts.Unmapped(region, remove.Pieces);
        return reply;
    }

    private void UnmapAfterEnd()
    {
        foreach (var (region, request) in _afterEnd)
        {
            _parts.Unmapped(region, request.Pieces);
            region.Tell(new DmaMapping.Done(_state.History.Epoch));
        }
        foreach (var region in _dropAfterEnd)
            _parts.DropRegion(region);
        ForgetAfterEnd();
    }

    private void ForgetAfterEnd()
    {
        _afterEnd.Clear();
        _dropAfterEnd.Clear();
    }

    private void OpenVectors(OpenVectors open)
    {
        if (_arming)
        {
            _armLater.Enqueue((Sender, open));
            return;
        }
        if (!HasSession)
        {
            Sender.Tell(NoSession(open));
            return;
        }
        if (Choose(open) is not { } vectors)
            return; // refused
        var client = Sender;
        var (range, width) = open.Collapsed ? ([open.Start], open.Count) : (Enumerable.Range(open.Start, open.Count).ToList(), 1);
        if (_parts.Serving(open.Start, open.Count).FirstOrDefault(c => c.Width != width || !range.Contains(c.Vector)) is { } other)
        {
            client.Tell(new Refused(
                open,
                Errno.EBUSY,
                $"Vectors {other.Vector} to {other.Vector + other.Width - 1} of {Device} are open {(other.Width == 1 ? "one by one" : "on one event channel")}",
                "Open them the same way, or close the device first."));
            return;
        }
        IReadOnlyList<int>? reactor = _loop.Processor is { } processor ? [processor] : null; // interrupts come where they are heard
        if (MakeChannels(open, range.Where(v => _parts.Channel(v) is null), v => new(Device, vectors.Kind, v, _loop) { Width = width, Affinity = reactor }) is not { } fresh)
            return; // refused
        if (fresh.Count == 0)
        {
            client.Tell(new VectorsOpened(vectors.Kind, [.. range.Select(v => _parts.Vector(v)!)]));
            return;
        }
        _arming = true;
        var arm = new SessionProtocol.ArmVectors(
            vectors.Kind,
            [.. fresh.SelectMany(c => Enumerable.Range(c.Vector, c.Width).Select(v => (v, c.EventFd)))],
            DeviceParts.AffinitiesOf(fresh));
        Send(arm, new InFlight(
            client,
            reply => Armed(open, vectors.Kind, range, fresh, reply),
            lost =>
            {
                Unarm(fresh);
                return lost with { Command = open };
            }));
    }

    private List<VectorChannel>? MakeChannels(OpenVectors open, IEnumerable<int> vectors, Func<int, VectorChannel> make)
    {
        var made = new List<VectorChannel>();
        int vector = open.Start;
        try
        {
            foreach (int next in vectors)
                made.Add(make(vector = next));
            return made;
        }
        catch (NativeException fault)
        {
            foreach (var channel in made)
                channel.Dispose();
            Sender.Tell(new Refused(open, fault.Errno, $"No eventfd could be made for vector {vector} of {Device}: {fault.Message}", RoomFor(fault.Errno)));
            return null;
        }
    }

    private static string RoomFor(Errno errno) => errno == Errno.ENOSPC
        ? "Raise fs.epoll.max_user_watches (sysctl), or open fewer vectors."
        : "Raise the limit of open files (ulimit -n), or open fewer vectors.";

    private object Armed(OpenVectors open, VectorKind kind, List<int> range, List<VectorChannel> fresh, object reply)
    {
        if (reply is Refused refused)
        {
            Unarm(fresh);
            return refused with { Command = open };
        }
        foreach (var channel in fresh)
            channel.Armed = true;
        _parts.AddVectors([.. fresh.Select(c => (c, Context.ActorOf(VectorActor.Props(c), $"vector-{c.Vector}")))]);
        ArmNext();
        return new VectorsOpened(kind, [.. range.Select(v => _parts.Vector(v)!)]);
    }

    private void Unarm(List<VectorChannel> channels)
    {
        foreach (var channel in channels)
            channel.Dispose();
        ArmNext();
    }

    private void ArmNext()
    {
        _arming = false;
        if (_armLater.TryDequeue(out var next))
            Self.Tell(next.Command, next.Client);
    }

    private VectorInfo? Choose(OpenVectors open)
    {
        if (_info is null)
        {
            Sender.Tell(new Refused(open, Errno.EAGAIN, $"The first session of {Device} is still being opened", "Wait for SessionReady."));
            return null;
        }
        var kind = open.Kind ?? _parts.Kind ?? _info.Vectors.OrderByDescending(v => v.Kind).FirstOrDefault()?.Kind;
        var vectors = _info.Vectors.FirstOrDefault(v => v.Kind == kind);
        string has = _info.Vectors.Count == 0 ? "no interrupts" : string.Join(", ", _info.Vectors.Select(v => $"{v.Count} {v.Kind}"));
        if (vectors is null)
            Sender.Tell(new Refused(open, Errno.EINVAL, $"{Device} has no {kind} vectors", $"It has {has}."));
        else if (_parts.Kind is { } inUse && inUse != vectors.Kind)
            Sender.Tell(new Refused(open, Errno.EBUSY, $"{Device} has {inUse} vectors open, and only one kind can be used at a time", "Close the device first, or open vectors of that kind."));
        else if (open.Start < 0 || open.Count < 1 || open.Start > vectors.Count - open.Count)
            Sender.Tell(new Refused(open, Errno.EINVAL, $"{Device} has no {vectors.Kind} vectors {open.Start} to {(long)open.Start + open.Count - 1}", $"It has {has}, counted from 0."));
        else
            return vectors;
        return null;
    }

    private void AskForVector(VectorRequest request)
    {
        var (channel, command) = request;
        int vector = channel.Vector;
        if (!ReferenceEquals(_parts.Channel(vector), channel))
        {
            Sender.Tell(new Refused(command, Errno.ENODEV, $"Vector {vector} of {Device} is not open (any more)", "Open the device, and its vectors."));
            return;
        }
        if (!HasSession)
        {
            Sender.Tell(NoSession(command) is SessionLost lost ? new InterruptProtocol.SessionLost(vector, lost.Epoch, lost.Failure, command) : NoSession(command));
            return;
        }
        object ask = command switch
        {
            InterruptProtocol.Mask => new SessionProtocol.MaskVectors(channel.Kind, vector, channel.Width, Masked: true),
            InterruptProtocol.Unmask => new SessionProtocol.MaskVectors(channel.Kind, vector, channel.Width, Masked: false),
            InterruptProtocol.Trigger trigger => new SessionProtocol.TriggerVectors(channel.Kind, vector, channel.Width, trigger.Times),
            InterruptProtocol.SetAffinity affinity => new SessionProtocol.SetAffinity(channel.Kind, vector, channel.Width, affinity.Cpus),
            _ => throw new InvalidOperationException(command.GetType().Name),
        };
        Send(ask, new InFlight(
            Sender,
            reply => reply is Refused refused ? refused with { Command = command } : VectorAnswer(channel, command),
            lost => new InterruptProtocol.SessionLost(vector, lost.Epoch, lost.Failure, command)));
    }

    private object VectorAnswer(VectorChannel channel, InterruptProtocol.ICommand command)
    {
        switch (command)
        {
            case InterruptProtocol.Trigger trigger:
                _counters.Triggers += (long)trigger.Times * channel.Width;
                return new InterruptProtocol.Triggered(channel.Vector, trigger.Times);
            case InterruptProtocol.SetAffinity affinity:
                channel.Affinity = affinity.Cpus;
                return new InterruptProtocol.AffinitySet(channel.Vector, affinity.Cpus);
            case InterruptProtocol.Mask:
                channel.MaskedInHardware = true;
                return new InterruptProtocol.Masked(channel.Vector, MaskPlace.Hardware);
            default:
                channel.MaskedInHardware = false;
                return new InterruptProtocol.Unmasked(channel.Vector, MaskPlace.Hardware);
        }
    }

    private Description Description() => new(
        _description,
        _state.Phase,
        _state.History.Epoch,
        _state.History.TotalRestarts,
        _state.Owner,
        _info,
        _state.History.LastFault,
        _parts.Count());

    /// <summary>A command that the session has.</summary>
    /// <param name="client">Who is answered.</param>
    /// <param name="onReply">Makes the client's answer of the session's; null: none.</param>
    /// <param name="onLost">The same, when the session ended.</param>
    private class InFlight(IActorRef client, Func<object, object?>? onReply = null, Func<SessionLost, object?>? onLost = null)
    {
        public IActorRef Client => client;

        public virtual object? OnReply(object reply) => onReply!(reply);

        public virtual object? OnLost(SessionLost lost) => onLost!(lost);
    }

    /// <summary>A region's request.</summary>
    private sealed class Mapping(DeviceActor device, IActorRef region, object request) : InFlight(region)
    {
        public override object OnReply(object reply) => device.Account(Client, request, reply);

        public override object OnLost(SessionLost lost) => new DmaProtocol.SessionLost(lost.Epoch, lost.Failure, request);
    }

    private sealed record HeartbeatDue : INoSerializationVerificationNeeded
    {
        public static readonly HeartbeatDue Instance = new();
    }

    private sealed record HeartbeatLate(long Epoch) : INoSerializationVerificationNeeded;

    private sealed record Noticed(long Epoch, SessionNotice Notice) : INoSerializationVerificationNeeded;

    /// <summary>Turns a notice's eventfd into a message; what counts is that it was signalled, not how often.</summary>
    private sealed class NoticeHandler(IActorRef device, long epoch, SessionNotice notice) : ISignalHandler
    {
        public void OnSignal() => device.Tell(new Noticed(epoch, notice), ActorRefs.NoSender);
    }
}
