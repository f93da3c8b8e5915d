using Microsoft.Extensions.Logging;

namespace Riser.Host.Broker;

/// <summary>What the broker tells its log: every grant, every refusal, every device that comes back, every binding.</summary>
internal static partial class BrokerLog
{
    [LoggerMessage(1, LogLevel.Information, "Listening at {Socket}; {Rules} rules")]
    public static partial void Listening(this ILogger log, string socket, int rules);

    [LoggerMessage(2, LogLevel.Information, "{Device} ({Node}) is given to {Who} by rule {Rule}")]
    public static partial void Given(this ILogger log, Target device, string node, PeerCredentials who, string rule);

    [LoggerMessage(3, LogLevel.Information, "{Device} ({Node}) is still with {Who} by rule {Rule}")]
    public static partial void Resumed(this ILogger log, Target device, string node, PeerCredentials who, string rule);

    [LoggerMessage(4, LogLevel.Warning, "{Who} is refused {What}: {Why} ({Errno})")]
    public static partial void Refused(this ILogger log, PeerCredentials who, string what, string why, Errno errno);

    [LoggerMessage(5, LogLevel.Information, "{Device} is asked back from {Who}: {Cause}")]
    public static partial void AskedBack(this ILogger log, Target device, PeerCredentials who, Cause? cause);

    [LoggerMessage(6, LogLevel.Information, "{Device} is back from {Who}: {How}")]
    public static partial void BackAgain(this ILogger log, Target device, PeerCredentials who, string how);

    [LoggerMessage(7, LogLevel.Error, "{Device} is not given back by {Who}, who does not close it ({Cause}); it is open in processes {Holders}")]
    public static partial void StillHeld(this ILogger log, Target device, PeerCredentials who, Cause? cause, string holders);

    [LoggerMessage(8, LogLevel.Error, "{Device} cannot be taken from {Who}: {Why}")]
    public static partial void NotRevoked(this ILogger log, Target device, PeerCredentials who, string why);

    [LoggerMessage(9, LogLevel.Warning, "Process {Process} is killed: it does not close {Device}")]
    public static partial void Killed(this ILogger log, int process, Target device);

    [LoggerMessage(10, LogLevel.Information, "{Done}, for {Who}")]
    public static partial void Bound(this ILogger log, string done, PeerCredentials? who);

    [LoggerMessage(11, LogLevel.Warning, "The connection of {Who} is closed: {Why}")]
    public static partial void Dropped(this ILogger log, PeerCredentials who, string why);

    [LoggerMessage(12, LogLevel.Warning, "This process is not root: it can give away only what its own user may open")]
    public static partial void NotRoot(this ILogger log);

    [LoggerMessage(13, LogLevel.Error, "{What} failed")]
    public static partial void Failed(this ILogger log, string what, Exception problem);

    [LoggerMessage(14, LogLevel.Warning, "{Count} more refusals in the last minute are not written down, of {Whom}")]
    public static partial void NotWritten(this ILogger log, int count, string whom);
}
