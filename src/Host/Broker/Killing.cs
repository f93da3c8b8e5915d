using Microsoft.Extensions.Logging;
using Riser.Actors.Interop;

namespace Riser.Host.Broker;

/// <summary>Ends those who keep a device open that is wanted back. Blocks; thread-safe.</summary>
internal sealed class Killing(Processes processes, ILogger log)
{
    /// <summary>
    /// Ends the process that has the lease, and whoever else has the node open, which he got from it: but only those that the lease's user
    /// could end himself. A descriptor can be sent to anybody's process, and the broker is not to be made to end that.
    /// </summary>
    /// <param name="target">What is wanted back.</param>
    /// <param name="holder">The process that has the lease; null where it could not be had.</param>
    /// <param name="user">Its user, when it connected.</param>
    public void Of(Target target, ProcessHandle? holder, uint user)
    {
        try
        {
            if (holder?.Id is { } number)
                End(target, holder, number, user);
        }
        catch (ObjectDisposedException)
        {
            return; // the device is back
        }
        foreach (int other in processes.With(target.Node).Where(p => p != Environment.ProcessId))
        {
            using var process = ProcessHandle.Open(other);
            if (process is not null && processes.Has(other, target.Node)) // its number may be another's by now
                End(target, process, other, user);
        }
    }

    // As long as the handle has not ended, its number is its own; and when it has, nobody is hit.
    private void End(Target target, ProcessHandle process, int number, uint user)
    {
        if (!processes.IsOf(number, user))
            return;
        log.Killed(number, target);
        try
        {
            process.Kill();
        }
        catch (NativeException refused)
        {
            log.Failed($"To kill process {number}", refused);
        }
    }
}
