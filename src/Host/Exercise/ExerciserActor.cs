using Akka.Actor;
using Riser.Actors;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interrupts;
using static Riser.Host.Exercise.ExerciseProtocol;

namespace Riser.Host.Exercise;

/// <summary>
/// Owns one device for a run: opens it, makes regions and vectors, subscribes, and lets the device's exercises act whenever a
/// session is there. Lost sessions are part of the exercise. Runs on the reactor's threads: it receives interrupts and never blocks.
/// </summary>
/// <remarks>
/// <code>
/// Begin ─▶ opening ─▶ preparing (regions, vectors, subscriptions) ─▶ running ─▶ Stop ─▶ settling ─▶ Stopped
///                         ▲ what is missing, with each new session ◀── session lost ┘
/// </code>
/// </remarks>
internal sealed class ExerciserActor : UntypedActor, IWithTimers, IPort
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5); // for the last interrupts and for a session that is being restarted

    private readonly IActorRef _device;
    private readonly DeviceId _id;
    private readonly IReadOnlyList<Exercise> _exercises;
    private readonly Func<long>? _truth;
    private readonly List<RegionWish> _wishes;
    private readonly List<MappedRegion> _regions = [];
    private readonly Dictionary<IActorRef, InterruptSignal?> _signals = []; // null: not subscribed yet
    private IReadOnlyList<IActorRef> _vectors = []; // from 0 up
    private IActorRef _asker = ActorRefs.Nobody;
    private SessionInfo? _info;
    private DmaMemory? _offered; // to a region that is being made
    private bool _began;
    private bool _hasBegun; // in any session
    private bool _ready; // a session is open
    private bool _stopping;
    private TimeSpan _stopAsked;
    private long _delivered;
    private long _messages;
    private bool _reArm; // the kernel masks the vector after each interrupt (INTx)
    private string? _problem;

    public ExerciserActor(IActorRef device, DeviceId id, IReadOnlyList<Exercise> exercises, Func<long>? truth)
    {
        _device = device;
        _id = id;
        _exercises = exercises;
        _truth = truth;
        _wishes = [.. exercises.SelectMany(e => e.Regions)];
    }

    public ITimerScheduler Timers { get; set; } = null!;

    SessionInfo IPort.Info => _info!;

    int IPort.Vectors => _vectors.Count;

    /// <remarks>Of the exercise that asks: only one of a device's exercises uses regions.</remarks>
    IReadOnlyList<MappedRegion> IPort.Regions => _regions;

    /// <param name="device">Understands <see cref="DeviceProtocol"/>.</param>
    /// <param name="id">Its id.</param>
    /// <param name="exercises">How to load it; none: it is only watched.</param>
    /// <param name="truth">How often the device has interrupted, where the device itself can say; null: as far as the exercises know.</param>
    public static Props Props(IActorRef device, DeviceId id, IReadOnlyList<Exercise> exercises, Func<long>? truth) =>
        Akka.Actor.Props.Create(() => new ExerciserActor(device, id, exercises, truth)).WithDispatcher("riser.reactor-dispatcher");

    void IPort.Read(int bar, ulong offset, int width) => _device.Tell(new DeviceProtocol.ReadBar(bar, offset, width));

    void IPort.Write(int bar, ulong offset, int width, ulong value) => _device.Tell(new DeviceProtocol.WriteBar(bar, offset, width, value));

    void IPort.Trigger(int vector, int times) => _vectors[vector].Tell(new InterruptProtocol.Trigger(times));

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case InterruptSignal signal: _messages++; Take(signal); break;

            case Begin: _asker = Sender; _device.Tell(new DeviceProtocol.Open()); break;
            case Describe: Sender.Tell(Tally()); break;
            case Stop: BeginToStop(); break;
            case Settle: LookWhetherSettled(); break;

            case DeviceProtocol.SessionReady ready: SessionReady(ready); break;
            case DeviceProtocol.SessionLost { Command: null }: SessionLost(); break;
            case DeviceProtocol.SessionLost { Command: DeviceProtocol.CreateDmaRegion }: _offered = null; break; // again with the next session
            case DeviceProtocol.SessionLost { Command: DeviceProtocol.OpenVectors }: break;
            case DeviceProtocol.Quarantined lost: SessionLost(); Fail($"{_id} was given up: {lost.Why}. Find the cause and start again."); break;
            case DeviceProtocol.Revoked revoked: SessionLost(); Fail($"{_id} was taken over by {revoked.By}."); break;
            case DeviceProtocol.Closed: SessionLost(); break;
            case Refused { Command: DeviceProtocol.Open } refused: Fail($"{_id} cannot be opened: {refused.Why} ({refused.Errno}). {refused.Fix}"); break;

            case DeviceProtocol.DmaRegionCreated made: _offered = null; _regions.Add(new(made.Memory, made.Range.Start)); Prepare(); break;
            case Refused { Command: DeviceProtocol.CreateDmaRegion or DeviceProtocol.OpenVectors } refused:
                Fail($"{_id} cannot be exercised: {refused.Why} ({refused.Errno}). {refused.Fix}");
                break;
            case DeviceProtocol.VectorsOpened opened: Subscribe(opened); break;
            case InterruptProtocol.Subscribed subscribed: _signals[Sender] = subscribed.Signal; Prepare(); break;
            case InterruptProtocol.SessionReady or InterruptProtocol.SessionLost { Command: null } or InterruptProtocol.Unmasked: break; // the device says so too
            case Refused or DeviceProtocol.BarValue or DeviceProtocol.BarWritten or DeviceProtocol.SessionLost or InterruptProtocol.Triggered or InterruptProtocol.SessionLost:
                foreach (var exercise in _exercises)
                    exercise.Answered(message);
                break;
            default: Unhandled(message); break;
        }
    }

    private void SessionReady(DeviceProtocol.SessionReady ready)
    {
        _info = ready.Info;
        _ready = true;
        Prepare();
    }

    private void SessionLost()
    {
        if (_ready && _began)
        {
            foreach (var exercise in _exercises)
                exercise.Lost();
        }
        _ready = false;
        _began = false;
    }

    /// <summary>Asks for the next thing that is missing; when nothing is, the exercises begin.</summary>
    private void Prepare()
    {
        if (!_ready || _began || _offered is not null)
            return;
        if (_regions.Count < _wishes.Count)
        {
            var wish = _wishes[_regions.Count];
            _offered = DmaMemory.Allocate(wish.Size);
            _device.Tell(new DeviceProtocol.CreateDmaRegion(new(_offered, wish.Iova)));
            return;
        }
        if (_vectors.Count == 0 && _info!.Vectors.MaxBy(v => v.Kind) is { Count: > 0 } vectors)
        {
            _reArm = vectors.AutoMasked;
            _device.Tell(new DeviceProtocol.OpenVectors(0, vectors.Count, vectors.Kind));
            return;
        }
        if (_signals.ContainsValue(null))
            return;
        _began = true;
        _hasBegun = true;
        foreach (var exercise in _exercises)
            exercise.Begin(this);
        _asker.Tell(new Running(_id));
        _asker = ActorRefs.Nobody;
    }

    private void Subscribe(DeviceProtocol.VectorsOpened opened)
    {
        _vectors = opened.Vectors;
        foreach (var vector in _vectors)
        {
            _signals.Add(vector, null);
            vector.Tell(new InterruptProtocol.Subscribe(Counting: InterruptCounting.Exact));
        }
    }

    private void Take(InterruptSignal signal)
    {
        long count = signal.Take();
        if (count == 0)
            return;
        _delivered += count;
        if (_reArm)
            _vectors[signal.Vector].Tell(new InterruptProtocol.Unmask(MaskPlace.Hardware));
        foreach (var exercise in _exercises)
            exercise.Interrupted(signal.Vector, count);
    }

    private void BeginToStop()
    {
        _asker = Sender;
        _stopping = true;
        _stopAsked = Context.System.Scheduler.MonotonicClock;
        foreach (var exercise in _exercises)
            exercise.Stop();
        LookWhetherSettled();
    }

    // What stands in the eventfds counts too, whether its message is already on its way or not.
    private void LookWhetherSettled()
    {
        foreach (var signal in _signals.Values)
        {
            if (signal is not null)
                Take(signal);
        }
        bool settled = _exercises.All(e => e.IsIdle) && Triggered() == _delivered;
        if (!settled && Context.System.Scheduler.MonotonicClock - _stopAsked < s_patience)
            Timers.StartSingleTimer(nameof(Settle), Settle.Instance, s_look);
        else
            _asker.Tell(new Stopped(Tally()));
    }

    private void Fail(string why)
    {
        _problem = why;
        if (!_stopping)
            _asker.Tell(new Failed(_id, why));
    }

    private Tally Tally() => new(
        _id,
        _hasBegun,
        _vectors.Count,
        Triggered(),
        _delivered,
        _messages,
        _exercises.Aggregate(default(DmaTally), (sum, e) => sum + e.Dma),
        _problem ?? _exercises.Select(e => e.Problem).FirstOrDefault(p => p is not null));

    /// <summary>
    /// What the device says, where it can. Else what the exercises caused: where a session ended in between, a trigger may have come through or
    /// not, and what was delivered tells. Of a device that is only watched, what was delivered is all that anyone knows.
    /// </summary>
    private long Triggered()
    {
        if (_truth is not null)
            return _truth();
        if (_exercises.Count == 0)
            return _delivered;
        long known = _exercises.Sum(e => e.Triggered);
        return known + Math.Clamp(_delivered - known, 0, _exercises.Sum(e => e.InDoubt));
    }

    private sealed record Settle
    {
        public static readonly Settle Instance = new();
    }
}
