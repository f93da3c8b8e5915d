namespace Riser.Actors.Reactor;

/// <summary>
/// Whether a loop's thread is awake, asleep or gone, and what another thread owes it after giving it work: most of the time
/// nothing. No work is ever left with a sleeper.
/// </summary>
internal sealed class Slumber
{
    private const int Awake = 0;
    private const int Asleep = 1;
    private const int Gone = 2;

    private int _state = Awake;

    /// <summary>What somebody who has just given work must do.</summary>
    public enum Duty
    {
        /// <summary>The thread is awake and will see the work.</summary>
        None,

        /// <summary>The thread sleeps; this caller, and no other, wakes it.</summary>
        Wake,

        /// <summary>The thread is gone and will never see the work.</summary>
        HandOver,
    }

    /// <summary>True: the thread may sleep, and whoever gives it work from now on will wake it. For the thread itself.</summary>
    public bool TryFallAsleep(Func<bool> hasWork)
    {
        if (hasWork())
            return false;
        Interlocked.Exchange(ref _state, Asleep); // a full fence before the second look, which work given just now needs
        if (!hasWork())
            return true;
        WakeUp();
        return false;
    }

    /// <summary>For the thread itself, when it has slept.</summary>
    public void WakeUp() => Volatile.Write(ref _state, Awake);

    /// <summary>For the thread itself, when it ends. It looks for work once more afterwards.</summary>
    public void Leave() => Interlocked.Exchange(ref _state, Gone);

    /// <summary>For any thread, after it has given work.</summary>
    public Duty AfterGiving()
    {
        Interlocked.MemoryBarrier(); // either the thread sees the work before it sleeps, or this one sees that it sleeps
        if (Volatile.Read(ref _state) == Awake)
            return Duty.None;
        return Interlocked.CompareExchange(ref _state, Awake, Asleep) switch
        {
            Asleep => Duty.Wake,
            Gone => Duty.HandOver,
            _ => Duty.None,
        };
    }
}
