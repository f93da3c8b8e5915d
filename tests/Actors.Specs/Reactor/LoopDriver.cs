using Akka.Dispatch;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;

namespace Riser.Actors.Specs.Reactor;

/// <summary>What the specs of the reactor need: a loop of their own, handlers made of lambdas, and ways to wait for it.</summary>
internal static class LoopDriver
{
    /// <summary>How long a spec waits for what must happen; only a failing one ever waits so long.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static ReactorSettings Settings(int threads = 1, int events = 64, int mailboxes = 64, PollingSettings? polling = null) =>
        new(threads, events, mailboxes, polling ?? PollingSettings.Off, []);

    public static EventLoop Loop(ReactorSettings? settings = null) => new("spec-loop", settings ?? Settings());

    /// <summary>Runs on the loop's thread and waits for it.</summary>
    public static T On<T>(this EventLoop loop, Func<T> what)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.Post(new ActionRunnable(() =>
        {
            try
            {
                done.SetResult(what());
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        }));
        Assert.True(Task.WhenAny(done.Task, Task.Delay(Patience)).GetAwaiter().GetResult() == done.Task, "The loop did not run what was posted.");
        return done.Task.GetAwaiter().GetResult();
    }

    public static void On(this EventLoop loop, Action what) => loop.On(() =>
    {
        what();
        return true;
    });

    /// <summary>Waits until the loop has looked at its descriptors at least once and delivered what was ready by now.</summary>
    public static void Settle(this EventLoop loop)
    {
        loop.On(() => { }); // may run in a turn that looked before
        loop.On(() => { }); // posted after it, so that it runs in a later one
    }

    public static void Await(this ManualResetEventSlim happened, string what) => Assert.True(happened.Wait(Patience), what);

    /// <summary>Gives way to other threads until <paramref name="condition"/> holds.</summary>
    public static void Await(Func<bool> condition, string what)
    {
        long start = Environment.TickCount64;
        while (!condition())
        {
            Assert.True(Environment.TickCount64 - start < Patience.TotalMilliseconds, what);
            Thread.Yield();
        }
    }

    public static SignalSource Register(this EventLoop loop, Action onSignal) => loop.Register(EventFdHandle.Create(), new Handler(onSignal));

    internal sealed class Handler(Action onSignal) : ISignalHandler
    {
        public void OnSignal() => onSignal();
    }
}
