using Akka.Actor;
using Akka.Configuration;
using Riser.Actors;
using Riser.Actors.Reactor;

namespace Riser.Benchmarks;

/// <summary>An actor system as the product configures it, with simulated devices that do nothing by themselves.</summary>
internal sealed class Node : IAsyncDisposable
{
    // Restarts without a delay of ours, as often as one likes.
    private const string Quiet = """
        akka { loglevel = OFF, stdout-loglevel = OFF, log-dead-letters = off, log-dead-letters-during-shutdown = off }
        riser.restart { budget = 1000000, jitter = 0, device-error { first = 0ms, longest = 0ms } }
        """;

    /// <summary>Keys of <c>riser.reactor.polling</c>: sleep at once.</summary>
    public const string Blocking = "longest = off";

    private bool _ended;

    /// <param name="devices">How many, named pony0 and so on.</param>
    /// <param name="vectors">Of each.</param>
    /// <param name="polling">The keys of <c>riser.reactor.polling</c>; none for the defaults.</param>
    /// <param name="more">More keys of <c>riser.backends</c>.</param>
    public Node(int devices = 0, int vectors = 64, string polling = "", string more = "")
        : this($"enabled = [sim], sim.devices {{ {string.Concat(Enumerable.Range(0, devices).Select(i => $"pony{i} {{ vectors = {vectors} }}\n"))} }}\n{more}", polling)
    {
    }

    private Node(string backends, string polling)
    {
        var config = ConfigurationFactory.ParseString($"{Quiet}\nriser.backends {{ {backends} }}\nriser.reactor.polling {{ {polling} }}");
        System = ActorSystem.Create("bench", config);
        Runtime = DeviceRuntime.For(System);
        Client = new(System);
    }

    /// <summary>With the devices that are bound to vfio-pci.</summary>
    public static Node OfVfio() => new("enabled = [vfio]", polling: "");

    public ActorSystem System { get; }

    public DeviceRuntime Runtime { get; }

    /// <summary>Asks devices, and owns them.</summary>
    public Client Client { get; }

    /// <summary>The reactor's settings, for a loop beside it.</summary>
    public ReactorSettings Reactor => ReactorSettings.From(System.Settings.Config.GetConfig("riser.reactor"));

    /// <summary>Closes the devices and ends the system.</summary>
    public async Task EndAsync()
    {
        _ended = true;
        await CoordinatedShutdown.Get(System).Run(CoordinatedShutdown.ClrExitReason.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_ended)
            await EndAsync();
    }
}
