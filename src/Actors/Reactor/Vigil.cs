namespace Riser.Actors.Reactor;

/// <summary>
/// How long a loop that has nothing to do goes on looking before it sleeps: for as long as looking has lately paid. To be woken costs a
/// thread more than anything else that an interrupt costs; to look for longer than that would cost more than it saves.
/// <code>
/// Begin ─▶ look ─┬─ nothing ─▶ Continues? ─ yes ─▶ look …
///   │            │                 └─ no ─▶ sleep ─┐
///   └─ no ─▶ sleep                                 │
///                └─ found ─▶ End ◀──── woken ──────┘
/// </code>
/// It remembers the last eight stretches without work, from the last thing done to the next thing to do. While four of them were short enough
/// to be looked through, it looks for twice the longest of those; else it only watches. Whatever pays, looking takes at most its share of
/// a processor. And a processor that somebody else wants is not looked away from him.
/// Time goes in, decisions come out. For the loop's thread alone; allocates nothing.
/// </summary>
internal sealed class Vigil
{
    private const int Remembered = 8;
    private const int Enough = 4;
    private const long Never = long.MaxValue;

    // Two looks are a system call apart, 0.2 to 1 µs. Who was away for so much longer was put aside for somebody else.
    private const long Away = 30_000;

    private readonly long _longest;
    private readonly double _share;
    private readonly long[] _stretches = new long[Remembered]; // ns; the oldest is overwritten
    private int _oldest;
    private long _window; // how long the next vigil may be, ns
    private double _credit; // ns that may be spent on looking; below 0 by at most one window
    private long _creditAt;
    private long _since; // when there was nothing more to do
    private long _looked; // the last look
    private long _until; // looks end here
    private bool _disturbed; // somebody else had the processor
    private long _looking; // ns in all

    /// <param name="settings">How long at most, and how much of a processor.</param>
    public Vigil(PollingSettings settings)
    {
        _longest = settings.Longest.Ticks * 100;
        _share = settings.CpuShare;
        _credit = _longest;
        Array.Fill(_stretches, Never);
    }

    /// <summary>Whether it ever looks: if not, nobody needs to tell it the time.</summary>
    public bool IsEnabled => _longest > 0;

    /// <summary>How long it has looked in all, ns. Any thread.</summary>
    public long Looked => Volatile.Read(ref _looking);

    /// <summary>Nothing is left to do.</summary>
    /// <param name="now">CLOCK_MONOTONIC, ns.</param>
    /// <returns>Whether to look; else the loop sleeps at once.</returns>
    public bool Begin(long now)
    {
        Earn(now);
        _since = _looked = now;
        _disturbed = false;
        _until = _credit > 0 ? now + _window : now;
        return _until > now;
    }

    /// <summary>A look has found nothing.</summary>
    /// <returns>Whether to look again; else the loop sleeps.</returns>
    public bool Continues(long now)
    {
        Note(now);
        return now < _until && !_disturbed;
    }

    /// <summary>There is something to do: a look has found it, or the loop was woken.</summary>
    /// <param name="now">CLOCK_MONOTONIC, ns.</param>
    /// <param name="slept">Whether the loop was woken.</param>
    public void End(long now, bool slept)
    {
        if (!slept)
            Note(now);
        long looked = _looked - _since;
        Volatile.Write(ref _looking, _looking + looked);
        _credit -= looked;
        Earn(now);
        if (_disturbed)
            Array.Fill(_stretches, Never);
        _stretches[_oldest] = _disturbed ? Never : now - _since;
        _oldest = (_oldest + 1) % Remembered;
        Learn();
    }

    private void Note(long now)
    {
        _disturbed |= now - _looked > Away;
        _looked = now;
    }

    private void Earn(long now)
    {
        _credit = Math.Min(_credit + ((now - _creditAt) * _share), _longest);
        _creditAt = now;
    }

    private void Learn()
    {
        int paid = 0;
        long longest = 0;
        foreach (long stretch in _stretches)
        {
            if (stretch > _longest)
                continue;
            paid++;
            longest = Math.Max(longest, stretch);
        }

        _window = paid < Enough ? 0 : Math.Clamp(2 * longest, _longest / 8, _longest);
    }
}
