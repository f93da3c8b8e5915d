using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Devices;

namespace Riser.Actors.Specs.Devices;

public sealed class RestartPolicySpecs
{
    private static readonly RestartPolicy s_default = RestartPolicy.From(DeviceRuntime.DefaultConfig.GetConfig("riser.restart"));

    [Fact]
    public void Defaults_are_those_of_the_reference()
    {
        Assert.Equal((5, TimeSpan.FromMinutes(1), 0.2), (s_default.Budget, s_default.Window, s_default.Jitter));
        Assert.Equal(new Backoff(TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(10)), s_default.Backoffs[SessionFailure.OpenFailed]);
        Assert.Equal(new Backoff(TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(5)), s_default.Backoffs[SessionFailure.CallFailed]);
        Assert.Equal(new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10)), s_default.Backoffs[SessionFailure.DeviceError]);
        Assert.Equal(new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10)), s_default.Backoffs[SessionFailure.RemovalRequested]);
        Assert.Equal(new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10)), s_default.Backoffs[SessionFailure.SurpriseRemoval]);
        Assert.Equal(new Backoff(TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(5)), s_default.Backoffs[SessionFailure.Crash]);
        Assert.Equal(new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10)), s_default.Backoffs[SessionFailure.GroupLost]);
        Assert.Equal(new Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30)), s_default.Backoffs[SessionFailure.Revoked]);
        var device = DeviceSettings.From(DeviceRuntime.DefaultConfig.GetConfig("riser"));
        Assert.Equal(TimeSpan.FromSeconds(30), device.OpenTimeout);
        Assert.Equal(TimeSpan.FromSeconds(30), device.EndTimeout);
        Assert.Equal(TimeSpan.FromSeconds(1), device.HeartbeatInterval);
        Assert.Equal(TimeSpan.FromSeconds(10), device.HeartbeatTimeout);
    }

    [Fact]
    public void Delays_double_up_to_the_longest()
    {
        double[] delays = [.. Enumerable.Range(0, 5).Select(n => Delay(s_default with { Jitter = 0 }, n).TotalMilliseconds)];
        Assert.Equal([200, 400, 800, 1600, 3200], delays);
        Assert.Equal(TimeSpan.FromSeconds(10), Delay(s_default with { Jitter = 0, Budget = 100 }, 20));
    }

    [Theory]
    [InlineData(0, 160)]
    [InlineData(0.5, 200)]
    [InlineData(1, 240)]
    public void Jitter_shortens_and_lengthens(double chance, double milliseconds) =>
        Assert.Equal(milliseconds, Delay(s_default, 0, chance).TotalMilliseconds, 3);

    [Fact]
    public void The_budget_counts_only_within_the_window()
    {
        var now = TimeSpan.FromMinutes(10);
        TimeSpan[] old = [.. Enumerable.Repeat(now - TimeSpan.FromSeconds(61), 50)];
        Assert.IsType<RestartDecision.After>(s_default.Decide(SessionFailure.Crash, old, now, 0.5));
        TimeSpan[] fresh = [.. old, .. Enumerable.Repeat(now, 5)];
        Assert.Contains("budget of 5", Assert.IsType<RestartDecision.GiveUp>(s_default.Decide(SessionFailure.Crash, fresh, now, 0.5)).Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("budget = -1", "riser.restart.budget")]
    [InlineData("budget = many", "riser.restart.budget")]
    [InlineData("jitter = 2", "riser.restart.jitter")]
    [InlineData("window = 5 parsecs", "riser.restart.window")]
    [InlineData("crash.first = 10s", "riser.restart.crash")]
    public void A_value_that_makes_no_sense_is_named(string wrong, string key)
    {
        var config = ConfigurationFactory.ParseString(wrong).WithFallback(DeviceRuntime.DefaultConfig.GetConfig("riser.restart"));
        Assert.Contains(key, Assert.Throws<ConfigurationException>(() => RestartPolicy.From(config)).Message, StringComparison.Ordinal);
    }

    private static TimeSpan Delay(RestartPolicy policy, int restarts, double chance = 0.5) =>
        Assert.IsType<RestartDecision.After>(policy.Decide(SessionFailure.OpenFailed, [.. Enumerable.Repeat(TimeSpan.Zero, restarts)], TimeSpan.Zero, chance)).Delay;
}
