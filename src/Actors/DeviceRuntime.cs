using Akka.Actor;
using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Reactor;

namespace Riser.Actors;

/// <summary>
/// Where a program starts: the devices of this node, as actors of an <see cref="ActorSystem"/> of its own. Configured by the
/// <c>riser</c> section of that system's HOCON, with reference.conf behind it. Thread-safe.
/// </summary>
/// <example>
/// <code>
/// var runtime = DeviceRuntime.For(system);
/// IActorRef device = await runtime.FindAsync(DeviceId.Parse("sim:pony0"));
/// </code>
/// </example>
public sealed class DeviceRuntime : IExtension
{
    private static readonly TimeSpan s_answer = TimeSpan.FromMinutes(1); // discovery reads sysfs and may ask the broker, on a machine that may be busy; anything longer is a hang
    private static readonly HashSet<string> s_free = new(StringComparer.Ordinal) { "riser.backends", "riser.backends.sim.devices" };

    private readonly IReadOnlyList<IPciBackend> _backends;

    internal DeviceRuntime(ExtendedActorSystem system)
    {
        if (system.Settings.Config.HasPath("riser") && !system.Settings.Config.GetValue("riser").IsObject())
            throw new ConfigurationException("'riser' must be a section: write { }.");
        ReferenceConfig.AddTo(system);
        var riser = system.Settings.Config.GetConfig("riser");
        ConfigReader.RefuseUnknownKeys(riser.Root.GetObject(), DefaultConfig.GetConfig("riser").Root.GetObject(), "riser", s_free);
        var settings = DeviceSettings.From(riser);
        CheckThreads(system, riser);
        _backends = BackendLoader.Load(riser);
        // The scheduler starts with its first use, and whoever comes while it starts holds a thread of the pool that it needs itself:
        // hundreds of devices must not be the first, all at once (0.2 s for each, seen with 100).
        system.Scheduler.Advanced.ScheduleOnceCancelable(TimeSpan.Zero, static () => { });
        Node = system.ActorOf(NodeActor.Props(_backends, settings), "riser");
        CoordinatedShutdown.Get(system).AddTask(CoordinatedShutdown.PhaseBeforeActorSystemTerminate, "close-devices", async () =>
        {
            await Node.Ask(new NodeProtocol.CloseAll(), settings.EndTimeout + settings.OpenTimeout).ConfigureAwait(false);
            return Akka.Done.Instance;
        });
    }

    // Each is read again by whoever uses it; here it is refused before anything has started.
    private static void CheckThreads(ExtendedActorSystem system, Config riser)
    {
        _ = ReactorSettings.From(riser.GetConfig("reactor"));
        _ = BlockingSettings.From(riser.GetConfig("session-dispatcher"));
        foreach (string dispatcher in new[] { "reactor-dispatcher", "session-dispatcher", "device-dispatcher" })
        {
            _ = riser.Count("riser", $"{dispatcher}.throughput", 1, int.MaxValue);
            try
            {
                _ = system.Dispatchers.Lookup($"riser.{dispatcher}");
            }
            catch (Exception problem) // Akka.NET throws whatever its own reading of the section leads to
            {
                throw new ConfigurationException($"Akka.NET cannot make the dispatcher riser.{dispatcher} of its type and executor: {problem.Message}", problem);
            }
        }

        try
        {
            _ = system.Mailboxes.Lookup(SmallMailbox.Section);
        }
        catch (Exception problem) // as above
        {
            throw new ConfigurationException($"Akka.NET cannot make the mailbox {SmallMailbox.Section} of its mailbox-type: {problem.Message}", problem);
        }
    }

    /// <summary>reference.conf: every key and its default.</summary>
    public static Config DefaultConfig => ReferenceConfig.Default;

    /// <summary>The node; understands <see cref="NodeProtocol"/>.</summary>
    public IActorRef Node { get; }

    /// <summary>The runtime of a system; started by the first call.</summary>
    /// <exception cref="ConfigurationException">The configuration has an unknown key, or a value that makes no sense; the message names it.</exception>
    public static DeviceRuntime For(ActorSystem system) => system.WithExtension<DeviceRuntime, DeviceRuntimeProvider>();

    /// <summary>Finds a device; its actor understands <see cref="DeviceProtocol"/> and stays valid for the node's life.</summary>
    /// <exception cref="PciException">ENODEV: there is no such device; the message names those that are there.</exception>
    public async Task<IActorRef> FindAsync(DeviceId device, CancellationToken cancellation = default)
    {
        object answer = await Node.Ask<object>(new NodeProtocol.FindDevice(device), s_answer, cancellation).ConfigureAwait(false);
        return answer switch
        {
            NodeProtocol.DeviceFound found => found.Actor,
            Refused refused => throw refused.ToException(),
            _ => throw new InvalidOperationException($"Unexpected answer: {answer}"),
        };
    }

    /// <summary>Lists the devices that are there now, in order of id.</summary>
    public async Task<IReadOnlyList<NodeProtocol.DeviceFound>> ListAsync(CancellationToken cancellation = default)
    {
        var answer = await Node.Ask<NodeProtocol.Devices>(new NodeProtocol.ListDevices(), s_answer, cancellation).ConfigureAwait(false);
        return answer.All;
    }

    /// <summary>One of the enabled backends, e.g. the simulation, to script its devices.</summary>
    /// <exception cref="InvalidOperationException">It is not enabled.</exception>
    public T Backend<T>()
        where T : class, IPciBackend =>
        _backends.OfType<T>().FirstOrDefault()
        ?? throw new InvalidOperationException($"{typeof(T).Name} is not enabled. Add it to riser.backends.enabled, which is [{string.Join(", ", _backends.Select(b => b.Name))}].");
}

/// <summary>Makes the <see cref="DeviceRuntime"/> of an actor system.</summary>
public sealed class DeviceRuntimeProvider : ExtensionIdProvider<DeviceRuntime>
{
    /// <inheritdoc/>
    public override DeviceRuntime CreateExtension(ExtendedActorSystem system) => new(system);
}
