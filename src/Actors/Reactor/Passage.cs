namespace Riser.Actors.Reactor;

/// <summary>
/// A stretch of code that one thread runs again and again, and that others can wait for: whoever first makes a thing
/// unreachable and then waits knows that the code does not use it any more.
/// </summary>
internal sealed class Passage
{
    private long _steps; // odd while the thread is inside; written by that thread only

    /// <summary>A full fence: what was made unreachable before another thread looked is seen inside.</summary>
    public void Enter() => Interlocked.Increment(ref _steps);

    public void Leave() => Volatile.Write(ref _steps, _steps + 1);

    /// <summary>Returns when the thread, if it was inside, has been outside. Never on that thread itself.</summary>
    public void WaitUntilLeft()
    {
        Interlocked.MemoryBarrier(); // pairs with Enter: either this thread sees the step, or the other what this one changed
        long seen = Volatile.Read(ref _steps);
        var spin = default(SpinWait);
        while ((seen & 1) != 0 && Volatile.Read(ref _steps) == seen)
            spin.SpinOnce(sleep1Threshold: -1);
    }
}
