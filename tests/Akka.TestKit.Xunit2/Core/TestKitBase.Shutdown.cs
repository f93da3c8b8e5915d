using Akka.Actor;
using Akka.Actor.Internal;

namespace Akka.TestKit;

/// <summary>The end of a test's actor system.</summary>
public abstract partial class TestKitBase
{
    private static readonly TimeSpan s_longestShutdown = TimeSpan.FromSeconds(10);

    /// <summary>Ends the test's system and waits for that.</summary>
    /// <param name="duration">How long to wait; null is five times the default of a single expectation, scaled, at most 10 s.</param>
    /// <param name="verifySystemShutdown">Whether a system that does not end in time is an error or only a warning.</param>
    /// <exception cref="TimeoutException">It did not end in time.</exception>
    public virtual void Shutdown(TimeSpan? duration = null, bool verifySystemShutdown = false) => Shutdown(_system, duration, verifySystemShutdown);

    protected virtual void Shutdown(ActorSystem system, TimeSpan? duration = null, bool verifySystemShutdown = false)
    {
        var limit = ShutdownLimit(duration);
        if (!system.Terminate().Wait(limit))
            NotEnded(system, limit, verifySystemShutdown);
    }

    public virtual Task ShutdownAsync(TimeSpan? duration = null, bool verifySystemShutdown = false) =>
        ShutdownAsync(_system, duration, verifySystemShutdown);

    protected virtual async Task ShutdownAsync(ActorSystem system, TimeSpan? duration = null, bool verifySystemShutdown = false)
    {
        var limit = ShutdownLimit(duration);
        try
        {
            await system.Terminate().WaitAsync(limit).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            NotEnded(system, limit, verifySystemShutdown);
        }
    }

    /// <summary>Takes the implicit sender off the thread, so that the next test on it does not tell as this one.</summary>
    internal static void ForgetImplicitSender()
    {
        InternalCurrentActorCellKeeper.Current = null;
        if (SynchronizationContext.Current is ActorCellKeepingSynchronizationContext)
            SynchronizationContext.SetSynchronizationContext(null);
    }

    private TimeSpan ShutdownLimit(TimeSpan? duration) =>
        duration ?? Min(Dilated(_settings.SingleExpectDefault) * 5, s_longestShutdown);

    private static void NotEnded(ActorSystem system, TimeSpan limit, bool verify)
    {
        var text = $"Failed to stop [{system.Name}] within [{limit}].";
        if (verify)
            throw new TimeoutException(text);
        system.Log.Warning(text);
    }
}
