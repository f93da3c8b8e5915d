using System.Collections.Concurrent;
using Akka.Configuration;

namespace Riser.Actors.Backends.Simulation;

/// <summary>
/// Devices made of software, from the section <c>riser.backends.sim</c>: real configuration space, memory, DMA and eventfds
/// without hardware. Tests reach the hand on a device by <see cref="Device"/>.
/// </summary>
public sealed class SimulationBackend : IPciBackend
{
    internal const string BackendName = "sim";

    private readonly ConcurrentDictionary<string, SimulatedDevice> _devices = new(StringComparer.Ordinal);
    private readonly Lock _sync = new();
    private readonly List<Action<DeviceChange>> _watchers = [];
    private bool _disposed;

    /// <param name="config">The section; what it leaves out comes from the embedded reference.conf.</param>
    /// <exception cref="ConfigurationException">A key is unknown or its value is wrong; the message names it.</exception>
    public SimulationBackend(Config config)
    {
        var settings = SimulationSettings.From(config);
        Iommu = settings.Iommu;
        Locked = new(settings.MemoryLock);
        foreach (var (name, options) in settings.Devices)
            Add(name, options);
    }

    /// <inheritdoc/>
    public string Name => BackendName;

    /// <summary>All devices, unplugged ones included.</summary>
    public IReadOnlyCollection<SimulatedDevice> Devices => [.. _devices.Values];

    internal SimulationClock Clock { get; } = new();

    internal FunctionTemplate.Cache Templates { get; } = new();

    internal IommuInfo Iommu { get; }

    internal LockedMemory Locked { get; }

    /// <summary>The hand on a device.</summary>
    /// <exception cref="KeyNotFoundException">There is no such device.</exception>
    public SimulatedDevice Device(string name) => _devices.TryGetValue(name, out var device)
        ? device
        : throw new KeyNotFoundException($"There is no device '{name}'; there are {string.Join(", ", _devices.Keys.Order(StringComparer.Ordinal))}.");

    /// <summary>Adds a pony while the node runs.</summary>
    /// <exception cref="ArgumentException">The name is taken, or is not made of letters, digits, '.', '_' and '-'.</exception>
    public SimulatedDevice Add(string name, PonyOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return Add(name, slot => new Pony(slot, options), options.Group);
    }

    /// <summary>Adds a device of another model while the node runs.</summary>
    /// <param name="name">Its address: the id is <c>sim:&lt;name&gt;</c>.</param>
    /// <param name="model">Makes the model in its slot, again at each plugging in.</param>
    /// <param name="group">Its IOMMU group; null: one of its own.</param>
    /// <exception cref="ArgumentException">The name is taken, or is not made of letters, digits, '.', '_' and '-'.</exception>
    public SimulatedDevice Add(string name, Func<ISimulatedSlot, ISimulatedModel> model, string? group = null)
    {
        if (!DeviceId.TryParse($"{BackendName}:{name}", out _) || name.Contains(':'))
            throw new ArgumentException($"'{name}' is no device name; use letters, digits, '.', '_' and '-'.", nameof(name));
        var device = new SimulatedDevice(this, name, model, group);
        if (!_devices.TryAdd(name, device))
            throw new ArgumentException($"There is a device '{name}' already.", nameof(name));
        Announce(new DeviceChange.Added(device.Description));
        return device;
    }

    /// <summary>Takes a device away for good, as if pulled out. False: there is none of this name.</summary>
    public bool Remove(string name)
    {
        if (!_devices.TryRemove(name, out var device))
            return false;
        device.SurpriseRemove();
        return true;
    }

    /// <inheritdoc/>
    public IReadOnlyList<DeviceDescription> Discover() =>
        [.. _devices.Values.Where(d => d.IsPresent).Select(d => d.Description).OrderBy(d => d.Id.Address, StringComparer.Ordinal)];

    /// <inheritdoc/>
    public IPciSession Open(DeviceId device)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (device.Backend != Name || !_devices.TryGetValue(device.Address, out var found))
            throw new PciException(Errno.ENODEV, $"There is no device {device}", $"Use one of {string.Join(", ", Discover().Select(d => d.Id))} or add it to riser.backends.sim.devices.");
        return found.Open();
    }

    /// <inheritdoc/>
    public IDisposable Watch(Action<DeviceChange> changed)
    {
        lock (_sync)
            _watchers.Add(changed);
        return new Watcher(this, changed);
    }

    /// <summary>Ends the load, thaws what is frozen and closes what is open.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, true))
            return;
        foreach (var device in _devices.Values)
            device.End();
        Clock.Dispose();
    }

    internal void Announce(DeviceChange change)
    {
        Action<DeviceChange>[] watchers;
        lock (_sync)
            watchers = [.. _watchers];
        foreach (var watcher in watchers)
            watcher(change);
    }

    private sealed class Watcher(SimulationBackend backend, Action<DeviceChange> changed) : IDisposable
    {
        public void Dispose()
        {
            lock (backend._sync)
                backend._watchers.Remove(changed);
        }
    }
}
