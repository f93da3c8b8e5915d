namespace Akka.TestKit;

/// <summary>How long the test still has.</summary>
public abstract partial class TestKitBase
{
    private TimeSpan? _end;

    /// <summary>What the innermost <c>Within</c> leaves, or the default of a single expectation.</summary>
    public TimeSpan RemainingOrDefault => RemainingOr(Dilated(_settings.SingleExpectDefault));

    public TimeSpan NoMessageRemainingOrDefault => RemainingOr(Dilated(_settings.ExpectNoMessageDefault));

    /// <summary>What the innermost <c>Within</c> leaves.</summary>
    /// <exception cref="InvalidOperationException">There is no <c>Within</c> around the call.</exception>
    public TimeSpan Remaining =>
        _end is { } end ? end - Now : throw new InvalidOperationException("Remaining may not be called outside of \"within\"");

    protected TimeSpan RemainingOr(TimeSpan duration) => _end is { } end ? NotNegative(end - Now) : duration;

    /// <summary>A given duration is scaled by <c>akka.test.timefactor</c>; none means <see cref="RemainingOrDefault"/>.</summary>
    public TimeSpan RemainingOrDilated(TimeSpan? duration) => duration switch
    {
        null => RemainingOrDefault,
        { } given when given == Timeout.InfiniteTimeSpan => throw new ArgumentException("max duration cannot be infinite", nameof(duration)),
        { } given => NotNegative(Dilated(given)),
    };

    public TimeSpan Dilated(TimeSpan duration) =>
        duration == Timeout.InfiniteTimeSpan ? duration : duration * _settings.TestTimeFactor;

    /// <summary>A given duration as it is, otherwise <see cref="RemainingOrDefault"/>.</summary>
    public TimeSpan GetTimeoutOrDefault(TimeSpan? timeout) => timeout ?? RemainingOrDefault;

    private static TimeSpan NotNegative(TimeSpan duration) => duration < TimeSpan.Zero ? TimeSpan.Zero : duration;

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
