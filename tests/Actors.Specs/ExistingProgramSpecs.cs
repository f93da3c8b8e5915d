using Akka.Actor;
using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Riser.Actors.Interrupts;

namespace Riser.Actors.Specs;

/// <summary>Riser dropped into an Akka.NET program that was there before, with a configuration, dispatchers and actors of its own.</summary>
public sealed class ExistingProgramSpecs : IAsyncLifetime
{
    private const string Hocon = """
        shop { name = corner, till-dispatcher { type = PinnedDispatcher, executor = thread-pool-executor } }
        akka {
          loglevel = OFF
          actor {
            default-dispatcher.throughput = 7
            deployment { /till { dispatcher = shop.till-dispatcher } }
          }
          coordinated-shutdown { exit-clr = off, phases.before-actor-system-terminate.timeout = 25s }
        }
        riser {
          backends { enabled = [sim], sim.devices.bell { vectors = 2 } }
          device.heartbeat.interval = 250ms
        }
        """;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly ActorSystem _system = ActorSystem.Create("shop", ConfigurationFactory.ParseString(Hocon));

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _system.Terminate();

    [Fact]
    public async Task An_actor_of_the_program_gets_a_devices_interrupts_among_its_own_messages()
    {
        var till = _system.ActorOf(Props.Create(() => new Till()), "till");
        Assert.Equal(0L, await till.Ask<long>("rung?", s_patience));
        var runtime = DeviceRuntime.For(_system);
        var device = await runtime.FindAsync(DeviceId.Parse("sim:bell"));

        Assert.Equal("listening", await till.Ask<string>(device, s_patience));
        runtime.Backend<SimulationBackend>().Device("bell").Raise(1, 5);

        Assert.Equal(5, await till.Ask<long>("rung five times?", s_patience));
    }

    [Fact]
    public void The_programs_own_configuration_stays_and_the_defaults_come_behind_it()
    {
        Assert.Same(DeviceRuntime.For(_system), DeviceRuntime.For(_system));

        var config = _system.Settings.Config;
        Assert.Equal("corner", config.GetString("shop.name"));
        Assert.Equal(7, config.GetInt("akka.actor.default-dispatcher.throughput"));
        Assert.Equal(TimeSpan.FromMilliseconds(250), config.GetTimeSpan("riser.device.heartbeat.interval"));
        Assert.Equal(TimeSpan.FromSeconds(10), config.GetTimeSpan("riser.device.heartbeat.timeout"));
    }

    [Fact]
    public async Task The_programs_shutdown_closes_its_devices_and_another_system_keeps_its_own()
    {
        var other = ActorSystem.Create("shop", ConfigurationFactory.ParseString(Hocon));
        var ponies = new List<SimulatedDevice>();
        foreach (var system in new[] { _system, other })
        {
            var runtime = DeviceRuntime.For(system);
            ponies.Add(runtime.Backend<SimulationBackend>().Device("bell"));
            await system.ActorOf(Props.Create(() => new Till()), "till").Ask<string>(await runtime.FindAsync(DeviceId.Parse("sim:bell")), s_patience);
        }

        await CoordinatedShutdown.Get(_system).Run(CoordinatedShutdown.ClrExitReason.Instance);

        Assert.Equal([0, 1], ponies.Select(p => p.OpenSessions));
        await other.Terminate();
        Assert.Equal(0, ponies[1].OpenSessions);
    }

    private sealed class Till : ReceiveActor
    {
        private long _rung;
        private IActorRef? _asker;

        public Till()
        {
            IActorRef device = ActorRefs.Nobody;
            Receive<string>(text => text == "rung?", _ => Sender.Tell(_rung));
            Receive<string>(_ =>
            {
                _asker = Sender;
                Answer();
            });
            Receive<IActorRef>(found =>
            {
                (device, _asker) = (found, Sender);
                device.Tell(new DeviceProtocol.Open());
            });
            Receive<DeviceProtocol.SessionReady>(_ => device.Tell(new DeviceProtocol.OpenVectors(1, 1)));
            Receive<DeviceProtocol.VectorsOpened>(opened => opened.Vectors[0].Tell(new InterruptProtocol.Subscribe()));
            Receive<InterruptProtocol.Subscribed>(_ => _asker.Tell("listening"));
            Receive<InterruptSignal>(signal =>
            {
                _rung += signal.Take();
                Answer();
            });
        }

        private void Answer()
        {
            if (_rung < 5 || _asker is null)
                return;
            _asker.Tell(_rung);
            _asker = null;
        }
    }
}
