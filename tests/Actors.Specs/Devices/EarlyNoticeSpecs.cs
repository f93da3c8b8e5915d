using Akka.Actor;
using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Devices;

/// <summary>The wish to have a device back that is there before its session is: it is heard once the session is ready.</summary>
public sealed class EarlyNoticeSpecs(ITestOutputHelper output) : Akka.TestKit.Xunit2.TestKit(
    ConfigurationFactory.ParseString("""
        akka.loglevel = WARNING
        akka.test.single-expect-default = 10s
        riser.reactor.threads = 1
        riser.backends.enabled = [sim]
        riser.backends.sim { class = "Riser.Actors.Specs.Devices.WantedBackBackend, Riser.Actors.Specs", devices.pony { rate = 0 } }
        """),
    output: output)
{
    [Fact]
    public async Task A_wish_that_comes_while_the_session_is_being_opened_ends_it_once_it_is_ready()
    {
        var runtime = DeviceRuntime.For(Sys);
        var device = await runtime.FindAsync(DeviceId.Parse("sim:pony"));
        using var reached = new ManualResetEventSlim();
        var loop = Riser.Actors.Reactor.Reactor.For(Sys).Loops[0];
        using var behind = loop.Register(EventFdHandle.Create(), new Handler(reached.Set));
        runtime.Backend<WantedBackBackend>().AfterWish = () =>
        {
            behind.EventFd.Signal(); // the loop hears of it after the wish
            reached.Wait();
            device.Ask<DeviceProtocol.Description>(new DeviceProtocol.Describe()).GetAwaiter().GetResult(); // and so does the device
        };

        device.Tell(new DeviceProtocol.Open(), TestActor);

        Assert.Equal(1, ExpectMsg<DeviceProtocol.SessionReady>().Epoch);
        var lost = ExpectMsg<DeviceProtocol.SessionLost>();
        Assert.Equal((1L, SessionFailure.RemovalRequested), (lost.Epoch, lost.Failure));
    }

    private sealed class Handler(Action act) : ISignalHandler
    {
        public void OnSignal() => act();
    }
}

/// <summary>The simulation, whose first session is wanted back before it begins, as the broker's wish may be: it is signalled as soon as it is connected.</summary>
public sealed class WantedBackBackend(Config config) : IPciBackend
{
    private readonly SimulationBackend _simulation = new(config);
    private Action? _afterWish;

    public string Name => _simulation.Name;

    internal Action AfterWish
    {
        set => _afterWish = value;
    }

    public IReadOnlyList<DeviceDescription> Discover() => _simulation.Discover();

    public IPciSession Open(DeviceId device) => new Session(_simulation.Open(device), Interlocked.Exchange(ref _afterWish, null));

    public IDisposable Watch(Action<DeviceChange> changed) => _simulation.Watch(changed);

    public void Dispose() => _simulation.Dispose();

    // Says nothing of events, as vfio: the notice is all there is.
    private sealed class Session(IPciSession inner, Action? afterWish) : IPciSession
    {
        public SessionInfo Info => inner.Info;

        public Bar Bar(int index) => inner.Bar(index);

        public ulong ReadConfig(int offset, int width) => inner.ReadConfig(offset, width);

        public void WriteConfig(int offset, int width, ulong value) => inner.WriteConfig(offset, width, value);

        public IReadOnlyList<IovaRange>? Map(IReadOnlyList<DmaPiece> pieces) => inner.Map(pieces);

        public void Unmap(IovaRange range) => inner.Unmap(range);

        void IPciSession.Arm(VectorKind kind, int start, IReadOnlyList<EventFdHandle?> eventFds) => inner.Arm(kind, start, eventFds);

        public void Disarm(VectorKind kind) => inner.Disarm(kind);

        public void Mask(VectorKind kind, int vector, bool masked) => inner.Mask(kind, vector, masked);

        public void Trigger(VectorKind kind, int start, int count) => inner.Trigger(kind, start, count);

        void IPciSession.Connect(SessionNotice notice, EventFdHandle? eventFd)
        {
            inner.Connect(notice, eventFd);
            if (notice != SessionNotice.RemovalRequested || eventFd is null || afterWish is null)
                return;
            eventFd.Signal();
            afterWish();
        }

        public IReadOnlyList<Invalidation> TakeInvalidations() => inner.TakeInvalidations();

        public void SetBusMaster(bool enabled) => inner.SetBusMaster(enabled);

        public bool Reset() => inner.Reset();

        public void Dispose() => inner.Dispose();
    }
}
