using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Simulation;

/// <summary>
/// One plugged-in function: configuration space, BARs, vectors and IOMMU around a model. Replaced when the device is
/// replugged. <see cref="Sync"/> covers everything here; DMA and interrupts happen under it, so what was unmapped or
/// disarmed under it is never reached afterwards.
/// </summary>
internal sealed class SimulatedFunction : ISimulatedSlot
{
    private readonly SimulatedDevice _device;
    private readonly SimulationClock _clock;
    private readonly ISimulatedModel _model;
    private readonly Dictionary<int, MemoryFile> _shared = [];

    public SimulatedFunction(SimulatedDevice device, SimulationClock clock, IommuInfo iommu, Func<ISimulatedSlot, ISimulatedModel> model)
    {
        _device = device;
        _clock = clock;
        _model = model(this);
        _model.Shape.Check();
        Info = _model.Shape.Describe(iommu);
        Vectors = new(Info.Vectors, device.Counters(Info.Vectors));
        Iommu = new(iommu, device.Faults);
        Config = new(device.Template(_model.Shape), this, device.Name);
        _model.Reset();
    }

    public Lock Sync { get; } = new();

    public SessionInfo Info { get; }

    public SimulatedShape Shape => _model.Shape;

    public SimulatedVectors Vectors { get; }

    public SimulatedIommu Iommu { get; }

    public FunctionConfig Config { get; }

    /// <summary>The session that holds the function; null when it is closed.</summary>
    public SimulationSession? Session { get; set; }

    /// <summary>It was pulled out: reads give ones, writes go nowhere.</summary>
    public bool Removed { get; private set; }

    public bool IsBusMaster => Config.IsBusMaster && !Removed;

    public int ArmedVectors => Vectors.Count;

    public bool TryRead(ulong iova, Span<byte> into)
    {
        if (!IsBusMaster || !Iommu.TryRead(iova, into))
            return false;
        Corrupt(into);
        return true;
    }

    public bool TryWrite(ulong iova, ReadOnlySpan<byte> from)
    {
        if (!IsBusMaster)
            return false;
        if (from.Length == 0 || !_device.Script.TakeCorruption())
            return Iommu.TryWrite(iova, from);
        byte[] wrong = from.ToArray();
        wrong[wrong.Length / 2] ^= 0x10;
        return Iommu.TryWrite(iova, wrong);
    }

    public int Raise(int vector, int times = 1) =>
        Removed || (Vectors.Armed is VectorKind.Msi or VectorKind.MsiX && !IsBusMaster) ? 0 : Vectors.Raise(vector, times);

    public void ReadShared(int bar, ulong offset, Span<byte> into) => SharedFile(bar).Read((long)offset, into);

    public void WriteShared(int bar, ulong offset, ReadOnlySpan<byte> from) => SharedFile(bar).Write((long)offset, from);

    public void Schedule(TimeSpan delay, Action work) => _clock.Schedule(delay, () => RunScheduled(work));

    /// <summary>The memory behind a shared BAR, made when it is first needed.</summary>
    public MemoryFile SharedFile(int bar)
    {
        if (_shared.TryGetValue(bar, out var file))
            return file;
        ulong size = Info.Bars.First(b => b.Index == bar && b.Mapped.Count > 0).Size;
        return _shared[bar] = MemoryFile.Create($"{_device.Id}-bar{bar}", (long)size);
    }

    public ulong ReadBar(int bar, ulong offset, int width)
    {
        ulong ones = ulong.MaxValue >> (64 - (8 * width));
        if (Removed || !Config.IsMemoryEnabled)
            return ones;
        if (_device.Script.AnswerTo(bar, offset) is { } answer)
            return answer() & ones;
        return bar == MsixTable.Bar && Shape.MsixVectors > 0
            ? MsixTable.Read(Vectors, Shape.MsixVectors, offset, width)
            : _model.ReadBar(bar, offset, width) & ones;
    }

    public void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (!Removed && Config.IsMemoryEnabled)
            _model.WriteBar(bar, offset, width, value);
    }

    /// <summary>Back to the state after power-on, but for mappings, vectors and bus mastering, which the kernel would restore.</summary>
    public void Reset()
    {
        if (Removed)
            return;
        Vectors.ClearPending();
        Config.Reset();
        foreach (var file in _shared.Values)
            Fill(file, 0);
        _model.Reset();
        _model.StateChanged();
    }

    public void StateChanged()
    {
        if (!Removed)
            _model.StateChanged();
    }

    /// <summary>Pulled out: shared BARs read all ones from now on, and nothing more comes from the device.</summary>
    public void Remove()
    {
        foreach (var file in _shared.Values)
            Fill(file, 0xff);
        _model.StateChanged();
        Removed = true;
    }

    /// <summary>Lets go of what the function itself holds; mappings that sessions made keep what they show.</summary>
    public void Release()
    {
        foreach (var file in _shared.Values)
            file.Dispose();
        _shared.Clear();
    }

    private static void Fill(MemoryFile file, byte value)
    {
        byte[] page = new byte[4096];
        Array.Fill(page, value);
        for (long at = 0; at < file.Size; at += page.Length)
            file.Write(at, page);
    }

    private void Corrupt(Span<byte> data)
    {
        if (data.Length > 0 && _device.Script.TakeCorruption())
            data[data.Length / 2] ^= 0x10;
    }

    private void RunScheduled(Action work)
    {
        using var scope = Sync.EnterScope();
        if (Removed)
            return;
        try
        {
            work();
        }
        catch (Exception broken) when (broken is not OutOfMemoryException)
        {
            // A model that throws is a device that failed: whoever holds it is told, other devices go on.
            _device.ModelFailed(this, broken);
        }
    }
}
