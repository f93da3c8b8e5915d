using System.Collections.Immutable;

namespace Riser.Actors.Backends.Simulation;

/// <summary>
/// The hand of a test (or of a load) on one simulated device: what happens to it, and what it has seen. Thread-safe.
/// Outlives unplugging: counters and faults go on.
/// </summary>
public sealed class SimulatedDevice
{
    private readonly SimulationBackend _backend;
    private readonly Func<ISimulatedSlot, ISimulatedModel> _model;
    private SimulatedFunction? _function; // null: unplugged
    private long[] _triggered = [];
    private int _openSessions;
    private long _events;
    private ImmutableList<(long Event, SessionReply Reply)> _replies = [];

    internal SimulatedDevice(SimulationBackend backend, string name, Func<ISimulatedSlot, ISimulatedModel> model, string? group)
    {
        _backend = backend;
        _model = model;
        Name = name;
        Id = DeviceId.Parse($"{SimulationBackend.BackendName}:{name}");
        Script = new(Id.ToString());
        _function = Plug();
        Description = new(Id, _function.Shape.VendorId, _function.Shape.ProductId, _function.Shape.ClassCode, group);
    }

    /// <summary>Its name in the configuration.</summary>
    public string Name { get; }

    /// <summary><c>sim:&lt;name&gt;</c>.</summary>
    public DeviceId Id { get; }

    /// <summary>Whether it is plugged in.</summary>
    public bool IsPresent => Function is not null;

    /// <summary>Sessions that are open, those of an unplugged device included.</summary>
    public int OpenSessions => Volatile.Read(ref _openSessions);

    /// <summary>Whether the driver allows DMA and MSI now.</summary>
    public bool IsBusMaster => With(f => f.IsBusMaster);

    /// <summary>Vectors that are connected with an eventfd now, in order.</summary>
    public IReadOnlyList<int> ArmedVectors => With(f => f.Vectors.Connected) ?? [];

    /// <summary>What the device can reach now.</summary>
    public IReadOnlyList<DmaPiece> Mappings => With(f => f.Iommu.Mappings) ?? [];

    /// <summary>The latest DMA accesses that the IOMMU refused, oldest first; at most 256.</summary>
    public IReadOnlyList<IommuFault> IommuFaults => Faults.Latest();

    /// <summary>How many DMA accesses the IOMMU has refused.</summary>
    public long IommuFaultCount => Faults.Count;

    /// <summary>The latest calls that changed the device, oldest first; at most 128. The end of a session shows its steps.</summary>
    public IReadOnlyList<SimulatedCall> History => Script.History;

    /// <summary>The exception that a model threw on the clock; null when none did.</summary>
    public Exception? ModelFailure { get; private set; }

    /// <summary>How often all vectors have signalled their eventfds.</summary>
    public long TriggeredTotal
    {
        get
        {
            long total = 0;
            foreach (ref long count in _triggered.AsSpan())
                total += Volatile.Read(ref count);
            return total;
        }
    }

    internal DeviceDescription Description { get; }

    internal SimulationScript Script { get; }

    internal IommuFaultLog Faults { get; } = new();

    // Without a lock: a register's answer, given under the function's lock, may use this hand.
    private SimulatedFunction? Function => Volatile.Read(ref _function);

    /// <summary>How often a vector has signalled an eventfd: exact, and growing over all sessions.</summary>
    public long Triggered(int vector) => (uint)vector < (uint)_triggered.Length ? Volatile.Read(ref _triggered[vector]) : 0;

    /// <summary>The device interrupts. Returns how often an eventfd was signalled: 0 where none is armed, bus mastering is off, or a mask holds it back.</summary>
    /// <param name="vector">Vector of the armed kind.</param>
    /// <param name="times">How often.</param>
    public int Raise(int vector, int times = 1) => With(f => f.Raise(vector, times));

    /// <summary>Lets the next calls fail.</summary>
    /// <param name="call">Which call; <see cref="SimulatedCall.Close"/> never fails.</param>
    /// <param name="errno">What the exception carries.</param>
    /// <param name="times">How many calls.</param>
    /// <param name="failure">Set: the exception says that the session has to end.</param>
    public void FailNext(SimulatedCall call, Errno errno, int times = 1, SessionFailure? failure = null) => Script.FailNext(call, errno, times, failure);

    /// <summary>Answers reads of a register of a BAR that is not shared memory; for one that is, writes the value there.</summary>
    /// <param name="bar">0 to 5.</param>
    /// <param name="offset">Bytes.</param>
    /// <param name="value">What is read, cut to the access's width; in shared memory 4 bytes.</param>
    public void AnswerRegister(int bar, ulong offset, ulong value)
    {
        if (IsShared(bar))
            With(f => Store(f, bar, offset, value));
        else
            Script.Answer(bar, offset, () => value);
    }

    /// <summary>Answers reads of a register of a BAR that is not shared memory.</summary>
    /// <param name="bar">0 to 5.</param>
    /// <param name="offset">Bytes.</param>
    /// <param name="value">Asked at each read; null gives the register back to the model.</param>
    /// <exception cref="ArgumentException">The BAR is shared memory, of which reads cannot be seen.</exception>
    public void AnswerRegister(int bar, ulong offset, Func<ulong>? value)
    {
        if (IsShared(bar))
            throw new ArgumentException($"BAR {bar} of {Id} is shared memory; reads of it cannot be seen.", nameof(bar));
        Script.Answer(bar, offset, value);
    }

    /// <summary>Lets every call on the device block until <see cref="Thaw"/>, as a hang in the kernel does.</summary>
    public void Freeze() => Script.Freeze();

    /// <summary>Ends <see cref="Freeze"/>.</summary>
    public void Thaw() => Script.Thaw();

    /// <summary>The next DMA transfers carry one flipped bit each.</summary>
    public void CorruptNextDma(int times = 1) => Script.CorruptNextDma(times);

    /// <summary>The device reports an uncorrectable error: <see cref="SessionNotice.DeviceError"/>.</summary>
    public void ReportError() => With(f =>
    {
        f.Config.ReportError();
        f.Session?.Notify(SessionNotice.DeviceError);
        return true;
    });

    /// <summary>The kernel asks for the device back: <see cref="SessionNotice.RemovalRequested"/>.</summary>
    public void RequestRemoval() => With(f =>
    {
        f.Session?.Notify(SessionNotice.RemovalRequested);
        return true;
    });

    /// <summary>Whether the backend has a say in where interrupts are handled, as <c>uio</c> has; else it refuses, as <c>vfio</c> does.</summary>
    public bool HasAffinity { get; set; }

    /// <summary>The CPUs that the present session has given its vectors.</summary>
    public IReadOnlyDictionary<int, IReadOnlyList<int>> Affinities => With(f => f.Session?.Affinities) ?? new Dictionary<int, IReadOnlyList<int>>();

    /// <summary>What events were answered, oldest first.</summary>
    public IReadOnlyList<(long Event, SessionReply Reply)> Replies => Volatile.Read(ref _replies);

    /// <summary>The kernel tells the session of an event, as <c>uio_pci_user</c> does, and may wait for an answer.</summary>
    /// <param name="kind">What it is about.</param>
    /// <param name="deadline">What the session is told of how long an answer is waited for; null: none is. The simulation itself waits until <see cref="GiveUp"/>.</param>
    /// <param name="severity">Of an error.</param>
    /// <returns>The event's name in <see cref="Replies"/>.</returns>
    public long Tell(SessionEventKind kind, TimeSpan? deadline = null, DeviceErrorSeverity? severity = null) => With(f =>
    {
        long sequence = ++_events;
        f.Session?.Tell(new(kind, sequence, deadline, severity));
        return sequence;
    });

    /// <summary>The kernel no longer waits for an answer: one that comes is ENOENT.</summary>
    public void GiveUp(long sequence) => With(f =>
    {
        f.Session?.GiveUp(sequence);
        return true;
    });

    /// <summary>
    /// Revokes the mappings of a range of memory and says so (<see cref="SessionNotice.Invalidation"/>), as a kernel module
    /// with a notifier does. Real memory that goes away is noticed without it: its mappings are dropped silently.
    /// </summary>
    public void Invalidate(HostRange range) => With(f =>
    {
        f.Session?.Invalidate(range);
        return true;
    });

    /// <summary>Pulls the device out, without a word before. Watchers hear of it.</summary>
    public void SurpriseRemove()
    {
        if (Interlocked.Exchange(ref _function, null) is not { } function)
            return;
        using (function.Sync.EnterScope())
        {
            function.Remove();
            if (function.Session is null)
                function.Release();
        }

        _backend.Announce(new DeviceChange.Removed(Id));
    }

    /// <summary>Plugs the device in again, as after power-on. Watchers hear of it.</summary>
    public void Replug()
    {
        if (Function is null && Interlocked.CompareExchange(ref _function, Plug(), null) is null)
            _backend.Announce(new DeviceChange.Added(Description));
    }

    internal SimulationSession Open()
    {
        Script.Pass(SimulatedCall.Open);
        var function = Function ?? throw Unplugged();
        using var scope = function.Sync.EnterScope();
        if (function.Removed)
            throw Unplugged();
        if (function.Session is not null)
            throw new PciException(Errno.EBUSY, $"{Id} is open already", "Close the other session first.");
        var session = new SimulationSession(this, function, _backend.Locked);
        function.Session = session;
        Interlocked.Increment(ref _openSessions);
        function.Config.Open();
        Script.Record(SimulatedCall.Open);
        function.StateChanged();
        return session;
    }

    internal void Closed(SimulatedFunction function)
    {
        using (function.Sync.EnterScope())
        {
            function.Session = null;
            function.Config.Close();
            function.Release();
        }

        Interlocked.Decrement(ref _openSessions);
    }

    internal void Answered(long sequence, SessionReply reply) => ImmutableInterlocked.Update(ref _replies, all => all.Add((sequence, reply)));

    internal FunctionTemplate Template(SimulatedShape shape) => _backend.Templates.For(shape);

    internal long[] Counters(IReadOnlyList<VectorInfo> kinds)
    {
        int most = kinds.Count == 0 ? 0 : kinds.Max(k => k.Count);
        if (_triggered.Length < most)
            Array.Resize(ref _triggered, most);
        return _triggered;
    }

    /// <summary>Under the function's lock.</summary>
    internal void ModelFailed(SimulatedFunction function, Exception failure)
    {
        ModelFailure = failure;
        function.Session?.Notify(SessionNotice.DeviceError);
    }

    internal void End()
    {
        Thaw();
        Function?.Session?.Dispose();
    }

    private PciException Unplugged() => new(Errno.ENODEV, $"{Id} is not plugged in", "Plug it in first.", SessionFailure.SurpriseRemoval);

    private static bool Store(SimulatedFunction function, int bar, ulong offset, ulong value)
    {
        function.WriteShared(bar, offset, BitConverter.GetBytes((uint)value));
        return true;
    }

    private SimulatedFunction Plug() => new(this, _backend.Clock, _backend.Iommu, _model);

    private bool IsShared(int bar) => With(f => f.Info.Bars.Any(b => b.Index == bar && b.Mapped.Count > 0));

    private T? With<T>(Func<SimulatedFunction, T> ask)
    {
        if (Function is not { } function)
            return default;
        using var scope = function.Sync.EnterScope();
        return ask(function);
    }
}
