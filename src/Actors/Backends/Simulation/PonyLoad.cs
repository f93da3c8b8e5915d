using System.Diagnostics;

namespace Riser.Actors.Backends.Simulation;

/// <summary>
/// The load that a pony makes by itself: steps at a rate, each of them interrupts and, where there is a ring, a frame of
/// checkable data. Which steps there are depends on the seed alone; the clock says when.
/// </summary>
internal sealed class PonyLoad(ISimulatedSlot slot, PonyOptions options)
{
    private const int MostOwed = 4096; // a clock that was held up does not make up for more
    private const int MostAtOnce = 128; // steps under the device's lock; then others have their turn
    private const int MostFrame = 65536;

    [ThreadStatic]
    private static byte[]? _frame;

    private readonly HashSet<int> _muted = [];
    private ulong _random;
    private long _run;
    private bool _running;
    private long _last;
    private double _owed;
    private int _turn;
    private ulong _ringBase;
    private uint _ringFrames, _ringFrameSize;

    public bool Enabled { get; private set; }

    public int Rate { get; private set; }

    public ulong Raised { get; private set; }

    public ulong Moved { get; private set; }

    public ulong Errors { get; private set; }

    public ulong Produced { get; private set; }

    public ulong Consumed { get; set; }

    public ulong RingBase
    {
        get => _ringBase;
        set => SetRing(value, _ringFrames, _ringFrameSize);
    }

    public uint RingFrames
    {
        get => _ringFrames;
        set => SetRing(_ringBase, Math.Min(value, 65536), _ringFrameSize);
    }

    public uint RingFrameSize
    {
        get => _ringFrameSize;
        set => SetRing(_ringBase, _ringFrames, Math.Clamp(value, 64, MostFrame));
    }

    public void Reset()
    {
        (Enabled, Rate, Raised, Moved, Errors) = (true, options.Rate, 0, 0, 0);
        (_random, _turn, _owed) = (options.Seed, 0, 0);
        _muted.Clear();
        SetRing(0, 0, 256);
        Update();
    }

    public void Set(bool enabled, int rate)
    {
        (Enabled, Rate) = (enabled, Math.Clamp(rate, 0, 10_000_000));
        Stop(); // so that a new rate counts at once
        Update();
    }

    public void Mute(int vector, bool muted)
    {
        if (muted)
            _muted.Add(vector);
        else
            _muted.Remove(vector);
    }

    /// <summary>Begins or ends what the state of the device now allows or forbids.</summary>
    public void Update()
    {
        bool run = Enabled && Rate > 0 && slot is { IsBusMaster: true, ArmedVectors: > 0 };
        if (run == _running)
            return;
        Stop();
        if (!run)
            return;
        _running = true;
        _last = Stopwatch.GetTimestamp();
        Wait(_run);
    }

    /// <summary>One step, whatever the clock says.</summary>
    public void Step()
    {
        if (options.Mode == PonyMode.Rainbow)
            Rainbow();
        else
            Glitter();
    }

    private void Stop()
    {
        _running = false;
        _run++;
    }

    private void Wait(long run)
    {
        var delay = _owed >= 1 ? TimeSpan.Zero : TimeSpan.FromSeconds(Math.Clamp(1.0 / Rate, 0.001, 1));
        slot.Schedule(delay, () => Tick(run));
    }

    private void Tick(long run)
    {
        if (run != _run)
            return;
        long now = Stopwatch.GetTimestamp();
        _owed = Math.Min(MostOwed, _owed + ((now - _last) * (double)Rate / Stopwatch.Frequency));
        _last = now;
        for (int steps = 0; steps < MostAtOnce && _owed >= 1; steps++)
        {
            ulong before = Raised;
            Step();
            _owed -= Math.Max(1, Raised - before);
        }

        if (run == _run)
            Wait(run);
    }

    private void Rainbow()
    {
        Produce((int)_ringFrameSize);
        Raise(_turn % slot.ArmedVectors, 1);
        _turn = (_turn + 1) % slot.ArmedVectors;
    }

    // One vector in eight steps storms; one step in four moves data. Faults come as often as asked for.
    private void Glitter()
    {
        ulong dice = Random();
        if (options.Faults > 0 && (Random() >> 11) * (1.0 / (1UL << 53)) < options.Faults)
            Fault();
        if ((dice & 3) == 0)
            Produce((int)Math.Max(PonyPattern.HeaderSize, 1 + (Random() % _ringFrameSize)));
        Raise((int)(Random() % (ulong)slot.ArmedVectors), (dice & 0x1c) == 0 ? 1 + (int)(Random() % 64) : 1);
    }

    private void Raise(int vector, int times)
    {
        Raised += (ulong)times;
        if (_muted.Count == 0 || !_muted.Contains(vector))
            slot.Raise(vector, times);
    }

    private void Produce(int size)
    {
        if (_ringFrames == 0 || Produced - Consumed >= _ringFrames)
            return;
        var frame = (_frame ??= new byte[MostFrame]).AsSpan(0, size);
        PonyPattern.Frame(frame, Produced);
        if (slot.TryWrite(_ringBase + ((Produced % _ringFrames) * _ringFrameSize), frame))
        {
            Produced++;
            Moved += (ulong)size;
        }
        else
        {
            Errors++;
        }
    }

    // A stray write, far away from what a driver is likely to map: the IOMMU refuses and logs it.
    private void Fault()
    {
        if (!slot.TryWrite(0x0000_7f00_0000_0000 | (Random() & 0xff_ffff_f000), [0xde, 0xad]))
            Errors++;
    }

    private void SetRing(ulong start, uint frames, uint size) => (_ringBase, _ringFrames, _ringFrameSize, Produced, Consumed) = (start, frames, size, 0, 0);

    private ulong Random() => PonyPattern.Mix(_random += 0x9e3779b97f4a7c15);
}
