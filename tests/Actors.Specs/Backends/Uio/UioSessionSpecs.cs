using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Uio;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends.Uio;

/// <summary>A wish of the broker stands among the events of the kernel, which know nothing of it.</summary>
public sealed class UioSessionSpecs : IDisposable
{
    private readonly FakeUpuDevice _kernel = new();
    private readonly WantedNotice _wanted = new();
    private readonly EventFdHandle _eventFd = EventFdHandle.Create();
    private readonly IPciSession _session;

    public UioSessionSpecs() => _session = new UioSession("0000:01:00.0", _kernel, UioSettings.Read(Config.Empty), () => null, _wanted);

    public void Dispose()
    {
        _session.Dispose();
        _eventFd.Dispose();
    }

    [Fact]
    public void Without_a_wish_there_is_what_the_kernel_says()
    {
        Assert.Empty(_session.TakeEvents()!);

        _kernel.Events.Enqueue(new() { kind = LibC.UPU_EVENT_RESUMED, sequence = 3 });

        Assert.Equal([new(SessionEventKind.Resumed, 3, null)], _session.TakeEvents()!);
    }

    [Fact]
    public void Events_that_the_kernel_dropped_are_an_error_that_nobody_is_asked_about()
    {
        _kernel.Events.Enqueue(new() { kind = LibC.UPU_EVENT_RESUMED, sequence = 20, flags = LibC.UPU_EVENT_LOST });

        Assert.Equal([new(SessionEventKind.Error, 0, null), new(SessionEventKind.Resumed, 20, null)], _session.TakeEvents()!);
    }

    [Fact]
    public void A_wish_signals_and_is_a_removal_that_nobody_is_asked_about()
    {
        _session.Connect(SessionNotice.RemovalRequested, _eventFd);
        _kernel.Events.Enqueue(new() { kind = LibC.UPU_EVENT_RESUMED, sequence = 3 });

        _wanted.Raise();

        Assert.Equal(1, _eventFd.Read());
        Assert.Equal([SessionEventKind.Resumed, SessionEventKind.Remove], _session.TakeEvents()!.Select(e => e.Kind));
        Assert.Equal([new(SessionEventKind.Remove, 0, null)], _session.TakeEvents()!); // until the session ends
    }

    [Fact]
    public void A_wish_from_before_the_session_is_heard()
    {
        _wanted.Raise();
        using var session = new UioSession("0000:01:00.0", new FakeUpuDevice(), UioSettings.Read(Config.Empty), () => null, _wanted);

        ((IPciSession)session).Connect(SessionNotice.RemovalRequested, _eventFd);

        Assert.Equal(1, _eventFd.Read());
        Assert.Equal(SessionEventKind.Remove, Assert.Single(session.TakeEvents()!).Kind);
    }
}
