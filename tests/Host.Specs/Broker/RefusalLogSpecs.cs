using Microsoft.Extensions.Logging;
using Riser.Actors.Backends;
using Riser.Host.Broker;
using static Riser.Host.Specs.Broker.BrokerExample;

namespace Riser.Host.Specs.Broker;

public sealed class RefusalLogSpecs : ILogger
{
    private readonly List<string> _lines = [];
    private readonly RefusalLog _log;
    private TimeSpan _now;

    public RefusalLogSpecs() => _log = new(this, () => _now);

    [Fact]
    public void One_who_is_refused_all_the_time_fills_no_journal()
    {
        Refuse(Alice, 1000);
        Assert.Equal(RefusalLog.MostOfOne, _lines.Count);
        Refuse(Bob, 1);
        Assert.Equal(RefusalLog.MostOfOne + 1, _lines.Count); // another's are written
        _now = TimeSpan.FromMinutes(1);
        _lines.Clear();

        Refuse(Alice, 1);

        Assert.Equal([$"{1000 - RefusalLog.MostOfOne} more refusals in the last minute are not written down, of user 1000", "user 1000 (process 101) is refused it: no (EACCES)"], _lines);
    }

    [Fact]
    public void Many_users_fill_none_either()
    {
        for (uint user = 1; user <= 1000; user++)
            Refuse(Alice with { User = user }, 1);

        Assert.Equal(RefusalLog.MostOfAll, _lines.Count);
    }

    private void Refuse(PeerCredentials who, int times)
    {
        for (int i = 0; i < times; i++)
            _log.Refused(who, "it", "no", Errno.EACCES);
    }

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;

    bool ILogger.IsEnabled(LogLevel level) => true;

    void ILogger.Log<TState>(LogLevel level, EventId id, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => _lines.Add(formatter(state, exception));
}
