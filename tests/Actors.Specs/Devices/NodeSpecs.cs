using Akka.Actor;
using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Devices;

public sealed class NodeSpecs(ITestOutputHelper output) : DeviceSpec(output)
{
    [Fact]
    public async Task An_unknown_device_is_refused_with_those_that_are_there()
    {
        var refusal = await Assert.ThrowsAsync<PciException>(() => Runtime.FindAsync(DeviceId.Parse("sim:zebra")));
        Assert.Equal(Errno.ENODEV, refusal.Errno);
        Assert.Contains("sim:zebra", refusal.Why, StringComparison.Ordinal);
        Assert.Contains("sim:pony", refusal.Fix, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_device_of_a_backend_that_is_not_enabled_is_refused_with_the_key_to_change()
    {
        var refusal = await Assert.ThrowsAsync<PciException>(() => Runtime.FindAsync(DeviceId.Parse("vfio:0000:00:10.0")));
        Assert.Contains("riser.backends.enabled", refusal.Fix, StringComparison.Ordinal);
    }

    [Fact]
    public void Watchers_of_the_node_hear_of_devices_that_come_and_go()
    {
        Runtime.Node.Tell(new NodeProtocol.WatchDevices(), TestActor);
        Assert.Equal(Simulation.Id, Assert.Single(ExpectMsg<NodeProtocol.Devices>().All).Device.Id);

        Runtime.Backend<SimulationBackend>().Add("late", new PonyOptions());
        var added = ExpectMsg<NodeProtocol.DeviceAdded>();
        Assert.Equal("sim:late", added.Device.Device.Id.ToString());

        Simulation.SurpriseRemove();
        Assert.Equal(Simulation.Id, ExpectMsg<NodeProtocol.DeviceRemoved>().Device);
    }

    [Fact]
    public void A_device_keeps_its_actor_when_it_goes_and_comes_back()
    {
        Simulation.SurpriseRemove();
        Simulation.Replug();
        AwaitAssert(() => Assert.Equal(Device, Runtime.FindAsync(Simulation.Id).GetAwaiter().GetResult()));
    }

    [Fact]
    public void Closing_all_ends_every_session_whoever_owns_it()
    {
        Open();
        Runtime.Node.Tell(new NodeProtocol.CloseAll(), TestActor);
        var told = new[] { ExpectMsg<object>(), ExpectMsg<object>() };
        Assert.Contains(told, m => m is NodeProtocol.AllClosed);
        Assert.Contains(told, m => m is DeviceProtocol.Closed);
        Assert.Equal(0, Simulation.OpenSessions);
    }

    [Theory]
    [InlineData("riser.devise.open-timeout = 1s", "riser.devise")]
    [InlineData("riser.device.heartbeat.timout = 1s", "riser.device.heartbeat.timout")]
    [InlineData("riser.device.open-timeout = 3 fortnights", "riser.device.open-timeout")]
    [InlineData("riser.device.end-timeout = 0s", "riser.device.end-timeout")]
    [InlineData("riser.device = 5", "riser.device")]
    [InlineData("riser.restart.budget { x = 1 }", "riser.restart.budget")]
    [InlineData("riser.backends.enabled = [carrier-pigeon]", "carrier-pigeon")]
    [InlineData("riser.backends.sim.devices.x.vectors = 4096", "vectors")]
    [InlineData("riser.backends.sim.devices.x.colour = pink", "colour")]
    public async Task A_configuration_with_a_mistake_is_refused_by_its_key(string mistake, string key)
    {
        var config = ConfigurationFactory.ParseString(mistake).WithFallback(ConfigurationFactory.ParseString(Pony));
        var system = ActorSystem.Create("mistaken", config);
        try
        {
            var problem = Assert.Throws<ConfigurationException>(() => DeviceRuntime.For(system));
            Assert.Contains(key, problem.Message, StringComparison.Ordinal);
        }
        finally
        {
            await system.Terminate();
        }
    }

    [Fact]
    public async Task A_system_that_terminates_closes_its_devices_first()
    {
        var system = ActorSystem.Create("short", ConfigurationFactory.ParseString(Pony));
        var runtime = DeviceRuntime.For(system);
        var device = await runtime.FindAsync(DeviceId.Parse("sim:pony"));
        var pony = runtime.Backend<SimulationBackend>().Device("pony");
        await device.Ask<DeviceProtocol.SessionReady>(new DeviceProtocol.Open(system.ActorOf(Props.Create(() => new Nobody()))), TimeSpan.FromSeconds(10))
            .ContinueWith(_ => { }, TaskScheduler.Default);
        await CoordinatedShutdown.Get(system).Run(CoordinatedShutdown.ClrExitReason.Instance);
        Assert.Equal(0, pony.OpenSessions);
    }

    private sealed class Nobody : ReceiveActor;
}
