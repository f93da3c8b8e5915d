namespace Riser.TestKits.Specs;

/// <summary>Durations of specs that wait for nothing to happen, and of those that must not wait in vain.</summary>
internal static class Short
{
    public static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(50);

    public static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    /// <summary>The text with which the test framework would fail the test.</summary>
    public static string Failure(Action action) => Assert.ThrowsAny<XunitException>(action).Message;

    public static async Task<string> FailureAsync(Func<Task> action) => (await Assert.ThrowsAnyAsync<XunitException>(action)).Message;
}
