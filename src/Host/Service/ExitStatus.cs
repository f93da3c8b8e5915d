namespace Riser.Host.Service;

/// <summary>What the process ends with.</summary>
internal static class ExitStatus
{
    /// <summary>Every interrupt that was triggered was delivered, and no byte was corrupt.</summary>
    public const int Success = 0;

    /// <summary>It was not so, or a device could not be opened.</summary>
    public const int Failure = 1;

    /// <summary>The command line or the configuration makes no sense; nothing was started.</summary>
    public const int Usage = 2;
}

/// <summary>The command line or the configuration makes no sense.</summary>
/// <param name="why">What is wrong, naming the thing; one sentence.</param>
/// <param name="fix">What the user can do; one sentence.</param>
internal sealed class UsageException(string why, string fix) : Exception($"{why} {fix}");

/// <summary>A run cannot go on, for a reason that is not the user's command line.</summary>
/// <param name="why">The reason, the errno and the fix.</param>
internal sealed class RunFailedException(string why) : Exception(why);
