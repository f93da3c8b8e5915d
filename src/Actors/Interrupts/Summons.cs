namespace Riser.Actors.Interrupts;

/// <summary>
/// When a message that stands for many marks must be sent: once, until it is taken. No wake is lost: whoever marks does so before it looks
/// whether the message is under way, and who takes it says so (<see cref="Clear"/>) before it looks at the marks. Whoever comes second sees
/// the other. Thread-safe.
/// </summary>
internal struct Summons
{
    private int _queued; // from the message to its Clear

    /// <summary>Marks a place, and says whether somebody must be told.</summary>
    /// <returns>True for the one caller that must send the message now.</returns>
    public bool Mark<TMarks>(TMarks marks, int place)
        where TMarks : IMarks
    {
        marks.Set(place); // a full fence before the look
        return Volatile.Read(ref _queued) == 0 && Claim();
    }

    /// <summary>True for the one caller that must send the message now, whatever is marked.</summary>
    public bool Claim() => Interlocked.Exchange(ref _queued, 1) == 0;

    /// <summary>The message is there, or lost: the next one may come. The marks are looked at after this.</summary>
    public void Clear()
    {
        Volatile.Write(ref _queued, 0);
        Interlocked.MemoryBarrier();
    }
}

/// <summary>What has been marked. Thread-safe.</summary>
internal interface IMarks
{
    /// <summary>Marks a place, and is a full fence.</summary>
    void Set(int place);
}
