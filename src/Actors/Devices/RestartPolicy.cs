using Akka.Configuration;
using Riser.Actors.Backends;

namespace Riser.Actors.Devices;

/// <summary>What to do about a failed session, decided without an actor, a clock or chance of its own.</summary>
/// <param name="Budget">How many restarts are allowed within <paramref name="Window"/>.</param>
/// <param name="Window">The time that a restart counts against the budget.</param>
/// <param name="Jitter">0 to 1: by which part a delay is shortened or lengthened at random, so that many devices do not come back at once.</param>
/// <param name="Backoffs">First and longest delay of each cause; doubled with each restart that still counts.</param>
internal sealed record RestartPolicy(int Budget, TimeSpan Window, double Jitter, IReadOnlyDictionary<SessionFailure, Backoff> Backoffs)
{
    /// <exception cref="ConfigurationException">A value is out of range; the message names the key.</exception>
    public static RestartPolicy From(Config config)
    {
        int budget = config.Count("riser.restart", "budget", 0, 1_000_000);
        double jitter = config.ShareOrNone("riser.restart", "jitter");
        var backoffs = new Dictionary<SessionFailure, Backoff>
        {
            [SessionFailure.OpenFailed] = Backoff.From(config, "open-failed"),
            [SessionFailure.CallFailed] = Backoff.From(config, "call-failed"),
            [SessionFailure.DeviceError] = Backoff.From(config, "device-error"),
            [SessionFailure.RemovalRequested] = Backoff.From(config, "removal-requested"),
            [SessionFailure.SurpriseRemoval] = Backoff.From(config, "surprise-removal"),
            [SessionFailure.Revoked] = Backoff.From(config, "revoked"),
            [SessionFailure.Crash] = Backoff.From(config, "crash"),
            [SessionFailure.GroupLost] = Backoff.From(config, "group-lost"),
        };
        return new(budget, config.Time("riser.restart", "window"), jitter, backoffs);
    }

    /// <summary>Decides on one failure.</summary>
    /// <param name="failure">Why the session ended.</param>
    /// <param name="restarts">When earlier restarts were, oldest first, by the scheduler's clock.</param>
    /// <param name="now">The same clock.</param>
    /// <param name="chance">0 to 1, drawn by the caller.</param>
    public RestartDecision Decide(SessionFailure failure, IReadOnlyList<TimeSpan> restarts, TimeSpan now, double chance)
    {
        if (failure == SessionFailure.Hang)
            return new RestartDecision.GiveUp("a call hangs inside the kernel, and a session that cannot be ended cannot be restarted");
        int counting = restarts.Count(at => now - at < Window);
        if (counting >= Budget)
            return new RestartDecision.GiveUp($"{counting} restarts within {Window.TotalSeconds:0.###} s use up the budget of {Budget}");
        var delay = Backoffs[failure].After(counting) * (1 + (Jitter * ((2 * chance) - 1)));
        return new RestartDecision.After(delay);
    }
}

/// <summary>Delays before a restart: doubled each time, up to the longest.</summary>
internal readonly record struct Backoff(TimeSpan First, TimeSpan Longest)
{
    public static Backoff From(Config config, string cause)
    {
        var backoff = new Backoff(config.Time("riser.restart", $"{cause}.first"), config.Time("riser.restart", $"{cause}.longest"));
        return backoff.First >= TimeSpan.Zero && backoff.First <= backoff.Longest
            ? backoff
            : throw new ConfigurationException($"riser.restart.{cause}: first is {backoff.First} and longest is {backoff.Longest}; first must be from 0 to longest.");
    }

    public TimeSpan After(int restarts) => TimeSpan.FromTicks((long)Math.Min(Longest.Ticks, First.Ticks * Math.Pow(2, restarts)));
}

/// <summary>What becomes of a device whose session has failed.</summary>
internal abstract record RestartDecision
{
    private RestartDecision()
    {
    }

    public sealed record After(TimeSpan Delay) : RestartDecision;

    public sealed record GiveUp(string Why) : RestartDecision;
}
