using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Simulation;

/// <summary>One opened handle on a simulated device. Every call passes the script first, then works under the function's lock.</summary>
internal sealed class SimulationSession(SimulatedDevice device, SimulatedFunction function, LockedMemory locked) : IPciSession, IBarTrap
{
    private readonly Dictionary<int, Bar> _bars = [];
    private readonly EventFdHandle?[] _notices = new EventFdHandle?[3];
    private readonly List<Invalidation> _invalidations = [];
    private readonly Queue<SessionEvent> _events = [];
    private readonly HashSet<long> _asked = [];
    private readonly Dictionary<int, IReadOnlyList<int>> _affinities = [];
    private bool _noticed; // a notice without words is out
    private bool _ended;

    public SessionInfo Info => function.Info;

    /// <summary>By vector. Under the function's lock.</summary>
    public IReadOnlyDictionary<int, IReadOnlyList<int>> Affinities => _affinities.ToDictionary();

    public Bar Bar(int index)
    {
        using var scope = Enter();
        if (_bars.TryGetValue(index, out var bar))
            return bar;
        var info = Info.Bars.FirstOrDefault(b => b.Index == index)
            ?? throw new PciException(Errno.EINVAL, $"{device.Id} has no BAR {index}", $"Use BAR {string.Join(", ", Info.Bars.Select(b => b.Index))}.");
        return _bars[index] = info.Mapped.Count > 0 ? new(info, Map(), this, Map) : new(info, mapping: null, this);

        MemoryMapping Map()
        {
            using var inner = Enter();
            return function.SharedFile(index).Map();
        }
    }

    public ulong ReadConfig(int offset, int width)
    {
        using var scope = Enter(SimulatedCall.ReadConfig, evenIfRemoved: true);
        ulong value = function.Config.Read(offset, width); // also where it was removed: it checks the access
        return function.Removed ? ulong.MaxValue >> (64 - (8 * width)) : value;
    }

    public void WriteConfig(int offset, int width, ulong value)
    {
        using var scope = Enter(SimulatedCall.WriteConfig, evenIfRemoved: true);
        if (!function.Removed)
            function.Config.Write(offset, width, value);
    }

    public ulong ReadBar(int index, ulong offset, int width)
    {
        using var scope = Enter(SimulatedCall.ReadBar, evenIfRemoved: true);
        return function.ReadBar(index, offset, width);
    }

    public void WriteBar(int index, ulong offset, int width, ulong value)
    {
        using var scope = Enter(SimulatedCall.WriteBar, evenIfRemoved: true);
        function.WriteBar(index, offset, width, value);
    }

    public IReadOnlyList<IovaRange>? Map(IReadOnlyList<DmaPiece> pieces)
    {
        ArgumentNullException.ThrowIfNull(pieces);
        IReadOnlyList<DmaPiece> placed;
        using (Enter(SimulatedCall.Map))
        {
            placed = function.Iommu.Place(pieces);
            function.Iommu.Check(placed);
        }
        List<SimulatedMapping> mappings = new(placed.Count);
        try
        {
            foreach (var piece in placed)
                mappings.Add(SimulatedMapping.Pin(piece, locked));
            using var scope = Enter();
            function.Iommu.Check(placed); // again: another thread may have mapped meanwhile
            function.Iommu.Insert(mappings);
            device.Script.Record(SimulatedCall.Map);
            return ReferenceEquals(placed, pieces) ? null : [.. placed.Select(piece => piece.Range)];
        }
        catch
        {
            mappings.ForEach(m => m.Dispose());
            throw;
        }
    }

    public void Unmap(IovaRange range)
    {
        SimulatedMapping mapping;
        using (Enter(SimulatedCall.Unmap))
        {
            mapping = function.Iommu.Remove(range);
            device.Script.Record(SimulatedCall.Unmap);
        }

        mapping.Dispose();
    }

    public void Arm(VectorKind kind, int start, IReadOnlyList<EventFdHandle?> eventFds)
    {
        ArgumentNullException.ThrowIfNull(eventFds);
        using var scope = Enter(SimulatedCall.Arm);
        function.Vectors.Arm(kind, start, eventFds);
        function.Config.SetEnabled(kind, true);
        device.Script.Record(SimulatedCall.Arm);
        function.StateChanged();
    }

    public void Disarm(VectorKind kind)
    {
        using var scope = Enter(SimulatedCall.Disarm);
        function.Vectors.Disarm(kind);
        function.Config.SetEnabled(kind, function.Vectors.Armed == kind);
        device.Script.Record(SimulatedCall.Disarm);
        function.StateChanged();
    }

    public void Mask(VectorKind kind, int vector, bool masked)
    {
        using var scope = Enter(SimulatedCall.Mask);
        function.Vectors.Mask(kind, vector, masked);
    }

    public void Trigger(VectorKind kind, int start, int count)
    {
        using var scope = Enter(SimulatedCall.Trigger);
        function.Vectors.Trigger(kind, start, count);
    }

    public void SetAffinity(VectorKind kind, int vector, IReadOnlyList<int> cpus)
    {
        using var scope = Enter();
        if (!device.HasAffinity)
            throw new PciException(Errno.EOPNOTSUPP, $"{device.Id} has no say in where its interrupts are handled", "Script it with SimulatedDevice.HasAffinity.");
        if (!function.Vectors.Connected.Contains(vector))
            throw new PciException(Errno.EINVAL, $"Vector {vector} is not armed", "Arm it first.");
        _affinities[vector] = cpus;
    }

    public void Connect(SessionNotice notice, EventFdHandle? eventFd)
    {
        using var scope = Enter();
        SimulatedVectors.Connect(ref _notices[(int)notice], eventFd);
    }

    FileDescriptor IPciSession.AllocateBuffer(ulong size, bool huge)
    {
        using var scope = Enter();
        try
        {
            return MemoryFile.Create("riser-buffer", (long)size);
        }
        catch (NativeException refusal)
        {
            throw new PciException(Errno.ENOMEM, $"{size} bytes of memory are not to be had: {refusal.Message}", "Ask for less.", inner: refusal);
        }
    }

    public IReadOnlyList<Invalidation> TakeInvalidations()
    {
        using var scope = Enter();
        Invalidation[] taken = [.. _invalidations];
        _invalidations.Clear();
        return taken;
    }

    public IReadOnlyList<SessionEvent>? TakeEvents()
    {
        using var scope = Enter();
        if (_noticed)
        {
            _noticed = false;
            return null;
        }

        SessionEvent[] taken = [.. _events];
        _events.Clear();
        return taken;
    }

    public void Reply(long sequence, SessionReply reply)
    {
        using var scope = Enter();
        if (!_asked.Remove(sequence))
            throw new PciException(Errno.ENOENT, $"Nobody waits for an answer to event {sequence} any more", "Answer within the event's deadline.");
        device.Answered(sequence, reply);
    }

    public void SetBusMaster(bool enabled)
    {
        using var scope = Enter(SimulatedCall.SetBusMaster);
        function.Config.SetBusMaster(enabled);
        device.Script.Record(SimulatedCall.SetBusMaster);
        function.StateChanged();
    }

    public bool Reset()
    {
        using var scope = Enter(SimulatedCall.Reset);
        function.Reset();
        device.Script.Record(SimulatedCall.Reset);
        return false; // a function level reset
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        device.Script.WaitUntilThawed();
        IReadOnlyList<SimulatedMapping> mappings;
        using (function.Sync.EnterScope())
        {
            if (_ended)
                return;
            _ended = true;
            function.Config.SetBusMaster(false);
            device.Script.Record(SimulatedCall.SetBusMaster);
            function.Reset();
            device.Script.Record(SimulatedCall.Reset);
            if (function.Vectors.Armed is { } kind)
            {
                function.Vectors.Disarm(kind);
                function.Config.SetEnabled(kind, false);
            }

            device.Script.Record(SimulatedCall.Disarm);
            function.StateChanged();
            mappings = function.Iommu.RemoveAll();
            device.Script.Record(SimulatedCall.Unmap);
            foreach (var bar in _bars.Values)
                bar.End();
            for (int i = 0; i < _notices.Length; i++)
                SimulatedVectors.Connect(ref _notices[i], null);
        }

        foreach (var mapping in mappings)
            mapping.Dispose();
        device.Closed(function);
        device.Script.Record(SimulatedCall.Close);
    }

    /// <summary>Signals a notice. Under the function's lock.</summary>
    public void Notify(SessionNotice notice)
    {
        _noticed |= notice != SessionNotice.Invalidation;
        _notices[(int)notice]?.Signal();
    }

    /// <summary>Tells of an event. Under the function's lock.</summary>
    public void Tell(SessionEvent told)
    {
        _events.Enqueue(told);
        if (told.Deadline is not null)
            _asked.Add(told.Sequence);
        bool request = told.Kind is SessionEventKind.Suspend or SessionEventKind.Resumed or SessionEventKind.Remove;
        _notices[(int)(request ? SessionNotice.RemovalRequested : SessionNotice.DeviceError)]?.Signal();
    }

    /// <summary>Nobody waits for an answer any more. Under the function's lock.</summary>
    public void GiveUp(long sequence) => _asked.Remove(sequence);

    /// <summary>Revokes what lies on a range of memory, as a kernel's notifier does. Under the function's lock.</summary>
    public void Invalidate(HostRange range)
    {
        foreach (var mapping in function.Iommu.On(range))
        {
            mapping.Drop();
            _invalidations.Add(new(mapping.Piece.Range, InvalidationCause.Unmapped));
        }
        Notify(SessionNotice.Invalidation);
    }

    private Lock.Scope Enter(SimulatedCall call, bool evenIfRemoved = false)
    {
        device.Script.Pass(call);
        return Enter(evenIfRemoved);
    }

    private Lock.Scope Enter(bool evenIfRemoved = false)
    {
        var scope = function.Sync.EnterScope();
        if (!_ended && (evenIfRemoved || !function.Removed))
            return scope;
        scope.Dispose();
        throw _ended
            ? new PciException(Errno.ENODEV, $"This session of {device.Id} has ended", "Open the device again.")
            : new PciException(Errno.ENODEV, $"{device.Id} was removed", "Plug it in and open it again.", SessionFailure.SurpriseRemoval);
    }
}
