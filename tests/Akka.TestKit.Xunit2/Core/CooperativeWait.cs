namespace Akka.TestKit;

/// <summary>
/// Waiting on a task, not on the primitive itself: the thread pool then knows that a thread is held and starts another.
/// Tests run on the pool's threads, and so do the actors that they wait for.
/// </summary>
internal static class CooperativeWait
{
    public static bool WaitCooperatively(this SemaphoreSlim semaphore, TimeSpan max, CancellationToken cancellationToken) =>
        semaphore.Wait(TimeSpan.Zero, cancellationToken) || semaphore.WaitAsync(max, cancellationToken).GetAwaiter().GetResult();

    public static void Pause(TimeSpan pause, CancellationToken cancellationToken) =>
        Task.Delay(pause, cancellationToken).GetAwaiter().GetResult();
}
