using Akka.Actor;
using Akka.Configuration;
using Riser.Actors;
using Riser.Actors.Backends;
using Riser.Actors.Devices;

namespace Riser.Host.Service;

/// <summary>The actor system of this process and its devices. Disposing it closes the devices, then ends the system.</summary>
internal sealed class Node : IAsyncDisposable
{
    private Node(ActorSystem system, DeviceRuntime runtime)
    {
        System = system;
        Runtime = runtime;
    }

    public ActorSystem System { get; }

    public DeviceRuntime Runtime { get; }

    /// <exception cref="UsageException">The configuration makes no sense.</exception>
    public static async Task<Node> StartAsync(FileInfo? config)
    {
        var effective = HostConfig.Load(config);
        string where = config is null ? "The embedded configuration" : $"The configuration '{config}'";
        ActorSystem? system = null;
        try
        {
            system = ActorSystem.Create("riser", effective);
            return new(system, DeviceRuntime.For(system));
        }
        catch (Exception problem) when (Cause(problem) is { } cause)
        {
            if (system is not null)
                await system.Terminate();
            throw new UsageException($"{where} makes no sense: {cause.Message}", "'riser config' prints every key and its value.");
        }
    }

    /// <summary>The devices to run: the named ones, or else every simulated one; hardware is only touched by name.</summary>
    /// <exception cref="UsageException">A device is unknown, named twice, or there is none.</exception>
    public async Task<IReadOnlyList<NodeProtocol.DeviceFound>> ChooseAsync(IReadOnlyList<DeviceId> named, CancellationToken cancellation)
    {
        var all = await Runtime.ListAsync(cancellation);
        if (named.Count == 0)
        {
            List<NodeProtocol.DeviceFound> simulated = [.. all.Where(d => d.Device.Id.Backend == "sim")];
            return simulated.Count > 0
                ? simulated
                : throw new UsageException("There is no device to run: no simulated device is configured, and none was named.", "Name one with --device; 'riser devices' lists them.");
        }

        List<NodeProtocol.DeviceFound> chosen = [];
        foreach (var id in named.Distinct())
        {
            chosen.Add(all.FirstOrDefault(d => d.Device.Id == id)
                ?? throw new UsageException($"There is no device {id} on this node.", $"{Present(all)} 'riser devices' lists them."));
        }
        return chosen;
    }

    public async ValueTask DisposeAsync() =>
        await CoordinatedShutdown.Get(System).Run(CoordinatedShutdown.ClrExitReason.Instance);

    private static string Present(IReadOnlyList<NodeProtocol.DeviceFound> all) => all.Count switch
    {
        0 => "None was found.",
        <= 8 => $"There are: {string.Join(", ", all.Select(d => d.Device.Id))}.",
        _ => $"There are {all.Count}, among them: {string.Join(", ", all.Take(8).Select(d => d.Device.Id))}.",
    };

    // The outermost that speaks of the configuration: it says where in it the fault is.
    private static Exception? Cause(Exception? problem) => problem switch
    {
        null => null,
        ConfigurationException or FormatException => problem,
        _ => Cause(problem.InnerException),
    };
}
