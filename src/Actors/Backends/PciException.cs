namespace Riser.Actors.Backends;

/// <summary>
/// A backend refused. Nothing was changed. <see cref="Failure"/> says whether the session can go on.
/// </summary>
public sealed class PciException(Errno errno, string why, string fix, SessionFailure? failure = null, Exception? inner = null)
    : Exception($"{why} ({errno}). {fix}", inner)
{
    /// <summary>What the kernel, or the simulation in its place, said.</summary>
    public Errno Errno { get; } = errno;

    /// <summary>What was wrong, naming the thing; one sentence without its full stop.</summary>
    public string Why { get; } = why;

    /// <summary>What the caller can do; one sentence.</summary>
    public string Fix { get; } = fix;

    /// <summary>Set when the session has to end; null when only this call was refused.</summary>
    public SessionFailure? Failure { get; } = failure;
}

/// <summary>Why a session ended other than by being closed. Each cause has its own backoff in <c>riser.restart</c>.</summary>
public enum SessionFailure
{
    /// <summary>The device could not be opened, mapped or armed.</summary>
    OpenFailed,

    /// <summary>A call on the open handle failed in a way that leaves its state unknown.</summary>
    CallFailed,

    /// <summary>The device reported an uncorrectable error.</summary>
    DeviceError,

    /// <summary>The kernel asked for the device back.</summary>
    RemovalRequested,

    /// <summary>The device is gone: reads give all ones, calls ENODEV.</summary>
    SurpriseRemoval,

    /// <summary>The device was taken from this session by its administrator, and may be another's by now.</summary>
    Revoked,

    /// <summary>The session's actor crashed.</summary>
    Crash,

    /// <summary>A call did not return in time; the session cannot be restarted.</summary>
    Hang,

    /// <summary>Another device of the same group failed or was reset, and took this session with it.</summary>
    GroupLost,
}
