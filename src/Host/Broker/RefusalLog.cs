using Microsoft.Extensions.Logging;

namespace Riser.Host.Broker;

/// <summary>
/// Writes refusals down, but no more in a minute than somebody reads: anybody may ask, and a journal that is flooded drops the lines
/// that count. What was left out is said, by number. Thread-safe.
/// </summary>
internal sealed class RefusalLog(ILogger log, Func<TimeSpan> now)
{
    /// <summary>Lines in a minute, of one user and of all.</summary>
    public const int MostOfOne = 20, MostOfAll = 200;

    private static readonly TimeSpan s_minute = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<uint, int> _written = [];
    private TimeSpan _began = now();
    private int _all;
    private int _leftOut;

    public void Refused(PeerCredentials who, string what, string why, Errno errno)
    {
        if (IsWritten(who))
            log.Refused(who, what, why, errno);
    }

    /// <summary>A connection that is closed for what he does.</summary>
    public void Dropped(PeerCredentials who, string why)
    {
        if (IsWritten(who))
            log.Dropped(who, why);
    }

    private bool IsWritten(PeerCredentials who)
    {
        lock (_gate)
        {
            if (now() - _began >= s_minute)
                Begin();
            int his = _written.GetValueOrDefault(who.User);
            if (_all >= MostOfAll || his >= MostOfOne)
            {
                _leftOut++;
                return false;
            }
            _written[who.User] = his + 1;
            _all++;
            return true;
        }
    }

    private void Begin()
    {
        if (_leftOut > 0)
            log.NotWritten(_leftOut, _all >= MostOfAll ? "many users" : string.Join(", ", _written.Where(w => w.Value >= MostOfOne).Select(w => $"user {w.Key}")));
        (_began, _all, _leftOut) = (now(), 0, 0);
        _written.Clear();
    }
}
