using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends;

/// <summary>A backend with one pony that makes no load unless told to, for a spec.</summary>
public abstract class SimulationSpec : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    protected SimulationSpec(string? config = null)
    {
        Backend = new(ConfigurationFactory.ParseString(config ?? "devices { pony0 { vectors = 64 } }"));
        Pony = Backend.Device("pony0");
    }

    protected SimulationBackend Backend { get; }

    protected SimulatedDevice Pony { get; }

    protected static PciException Refused(Errno errno, Action call)
    {
        var refused = Assert.Throws<PciException>(call);
        Assert.Equal(errno, refused.Errno);
        return refused;
    }

    protected IPciSession Open() => Own(Backend.Open(Pony.Id));

    protected TestMemory Memory(int pages) => Own(new TestMemory((ulong)pages * 4096));

    private protected EventFdHandle[] Arm(IPciSession session, int count, VectorKind kind = VectorKind.MsiX)
    {
        EventFdHandle[] eventFds = [.. Enumerable.Range(0, count).Select(_ => Own(EventFdHandle.Create()))];
        session.Arm(kind, 0, eventFds);
        return eventFds;
    }

    /// <summary>Waits for an eventfd as a driver does, without sleeping a fixed time.</summary>
    private protected static long Await(EventFdHandle eventFd)
    {
        using var wait = new EventWaitHandle(false, EventResetMode.AutoReset);
        var give = DateTime.UtcNow.AddSeconds(10);
        long count;
        while ((count = eventFd.Read()) == 0)
        {
            Assert.True(DateTime.UtcNow < give, "Nothing was signalled for 10 seconds.");
            wait.WaitOne(1);
        }

        return count;
    }

    protected T Own<T>(T thing)
        where T : IDisposable
    {
        _owned.Add(thing);
        return thing;
    }

    public void Dispose()
    {
        Backend.Dispose();
        foreach (var thing in Enumerable.Reverse(_owned))
            thing.Dispose();
    }
}
