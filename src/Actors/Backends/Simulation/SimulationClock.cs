using System.Diagnostics;

namespace Riser.Actors.Backends.Simulation;

/// <summary>The one thread on which all devices of a backend do what they do by themselves: load, DMA, completions. Starts when first needed.</summary>
internal sealed class SimulationClock : IDisposable
{
    private readonly object _sync = new();
    private readonly PriorityQueue<Action, (long Due, long Order)> _queue = new();
    private Thread? _thread;
    private long _order;
    private bool _disposed;

    /// <summary>Runs <paramref name="work"/> after <paramref name="delay"/>; work of the same moment in the order it came.</summary>
    public void Schedule(TimeSpan delay, Action work)
    {
        long due = Stopwatch.GetTimestamp() + (long)(delay.TotalSeconds * Stopwatch.Frequency);
        lock (_sync)
        {
            if (_disposed)
                return;
            _queue.Enqueue(work, (due, _order++));
            if (_thread is null)
            {
                _thread = new Thread(Run, 256 * 1024) { IsBackground = true, Name = "riser-sim" };
                _thread.Start();
            }

            Monitor.Pulse(_sync);
        }
    }

    /// <summary>Ends the thread; when this returns no work runs any more (but for a call from that thread itself).</summary>
    public void Dispose()
    {
        lock (_sync)
        {
            _disposed = true;
            _queue.Clear();
            Monitor.Pulse(_sync);
        }

        if (_thread is not null && _thread != Thread.CurrentThread)
            _thread.Join();
    }

    private void Run()
    {
        while (Next() is { } work)
            work();
    }

    private Action? Next()
    {
        lock (_sync)
        {
            while (!_disposed)
            {
                if (!_queue.TryPeek(out _, out var at))
                {
                    Monitor.Wait(_sync);
                    continue;
                }

                double milliseconds = (at.Due - Stopwatch.GetTimestamp()) * 1000.0 / Stopwatch.Frequency;
                if (milliseconds <= 0)
                    return _queue.Dequeue();
                Monitor.Wait(_sync, Math.Max(1, (int)Math.Min(milliseconds, 60_000)));
            }

            return null;
        }
    }
}
