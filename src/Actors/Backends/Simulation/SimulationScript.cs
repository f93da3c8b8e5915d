namespace Riser.Actors.Backends.Simulation;

/// <summary>What a test has asked of one device: calls to fail, to hang, registers to answer; and which calls came. Thread-safe.</summary>
internal sealed class SimulationScript(string device)
{
    private const int Kept = 128;

    private readonly object _sync = new();
    private readonly Queue<SimulatedCall> _history = [];
    private readonly List<(SimulatedCall Call, Errno Errno, SessionFailure? Failure)> _failures = [];
    private readonly Dictionary<(int Bar, ulong Offset), Func<ulong>> _answers = [];
    private bool _frozen;
    private int _corruptions;

    /// <summary>Calls block until <see cref="Thaw"/>.</summary>
    public bool IsFrozen
    {
        get
        {
            lock (_sync)
                return _frozen;
        }
    }

    public IReadOnlyList<SimulatedCall> History
    {
        get
        {
            lock (_sync)
                return [.. _history];
        }
    }

    public void Freeze()
    {
        lock (_sync)
            _frozen = true;
    }

    public void Thaw()
    {
        lock (_sync)
        {
            _frozen = false;
            Monitor.PulseAll(_sync);
        }
    }

    public void FailNext(SimulatedCall call, Errno errno, int times, SessionFailure? failure)
    {
        lock (_sync)
        {
            for (int i = 0; i < times; i++)
                _failures.Add((call, errno, failure));
        }
    }

    public void Answer(int bar, ulong offset, Func<ulong>? value)
    {
        lock (_sync)
        {
            if (value is null)
                _answers.Remove((bar, offset));
            else
                _answers[(bar, offset)] = value;
        }
    }

    public Func<ulong>? AnswerTo(int bar, ulong offset)
    {
        lock (_sync)
            return _answers.Count == 0 ? null : _answers.GetValueOrDefault((bar, offset));
    }

    public void CorruptNextDma(int times)
    {
        lock (_sync)
            _corruptions += times;
    }

    public bool TakeCorruption()
    {
        lock (_sync)
        {
            if (_corruptions == 0)
                return false;
            _corruptions--;
            return true;
        }
    }

    /// <summary>Every call comes by here, outside the device's lock: hangs while frozen, then fails as scripted.</summary>
    public void Pass(SimulatedCall call)
    {
        (SimulatedCall Call, Errno Errno, SessionFailure? Failure) failed;
        lock (_sync)
        {
            while (_frozen)
                Monitor.Wait(_sync);
            int index = _failures.FindIndex(f => f.Call == call);
            if (index < 0)
                return;
            failed = _failures[index];
            _failures.RemoveAt(index);
        }

        throw new PciException(failed.Errno, $"{call} of {device} fails because a script says so", "Try again.", failed.Failure);
    }

    public void WaitUntilThawed()
    {
        lock (_sync)
        {
            while (_frozen)
                Monitor.Wait(_sync);
        }
    }

    public void Record(SimulatedCall call)
    {
        lock (_sync)
        {
            if (_history.Count == Kept)
                _history.Dequeue();
            _history.Enqueue(call);
        }
    }
}
