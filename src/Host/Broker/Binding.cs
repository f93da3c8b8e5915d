using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;

namespace Riser.Host.Broker;

/// <summary>
/// Gives functions to other drivers through driver_override, and back. Refuses what is in use and what is a bridge; does all of a group or
/// none of it; remembers what was, before it is changed. Thread-safe.
/// </summary>
internal sealed class Binding(BrokerConfig config, Targets targets, Processes processes)
{
    private readonly PciDriver _driver = new(config.Sysfs);
    private readonly Uses _uses = new(config.Sysfs, config.Proc, config.Dev);
    private readonly BindingStore _store = new(config.Bindings);
    private readonly Lock _gate = new();

    /// <summary>Judges it, and says what it would touch. Does not block; what it returns does.</summary>
    /// <exception cref="PciException">EACCES, EBUSY, EINVAL, ENODEV; of the plan, too, and nothing was changed; EIO of the plan: a driver does not take it, and what had been done was undone.</exception>
    public BindingPlan Bind(PeerCredentials who, string address, string driver, bool wholeGroup)
    {
        if (!config.Drivers.Contains(driver, StringComparer.Ordinal))
            throw new PciException(Errno.EINVAL, "The broker binds functions to other drivers only", $"It binds to {string.Join(", ", config.Drivers)} (broker.bind.drivers).");
        var moving = Moving(targets.Function(address), driver, wholeGroup);
        Judge(who, driver, moving);
        if (!_driver.IsLoaded(driver))
            throw new PciException(Errno.ENODEV, $"The driver {driver} is not loaded", $"modprobe {driver}.");
        return new(Nodes(moving), () => Bind(address, driver, moving));
    }

    private IReadOnlyList<string> Bind(string address, string driver, List<PciFunction> planned)
    {
        lock (_gate)
        {
            List<PciFunction> moving = [.. planned.Select(f => targets.Function(f.Address))]; // it may have waited
            foreach (var each in moving)
            {
                RefuseUsed(each);
                RefuseUsedVirtual(each);
            }
            var former = moving.Where(f => f.Driver != driver).ToDictionary(f => f.Address, f => new FormerBinding(Id(f), f.Driver, _driver.Override(f.Address)), StringComparer.Ordinal);
            var known = _store.Read();
            _store.Write(known.Where(k => !IsAnother(k, former)).Concat(former.Where(f => !known.TryGetValue(f.Key, out var before) || before.Id != f.Value.Id)));
            return InTurn(former, f => Move(f.Key, f.Value.Driver, driver, driver), f => Move(f.Key, driver, f.Value.Driver, f.Value.Override), known)
                is { Count: > 0 } done ? done : [$"{address} is bound to {driver} already"];
        }
    }

    /// <summary>Undoes <see cref="Bind"/>.</summary>
    /// <inheritdoc cref="Bind(PeerCredentials, string, string, bool)" path="/exception"/>
    public BindingPlan Unbind(PeerCredentials who, string address, bool wholeGroup)
    {
        var function = targets.Function(address);
        var known = _store.Read();
        IReadOnlyList<PciFunction> moving = wholeGroup ? [function, .. targets.Together(function).Where(f => f.Address != address && known.ContainsKey(f.Address))] : [function];
        Judge(who, function.Driver ?? string.Empty, moving);
        if (!known.ContainsKey(address))
            throw new PciException(Errno.ENOENT, $"{address} was not bound by the broker, which so does not know what it was bound to before", "Write its driver's name to driver_override, and its address to drivers_probe.");
        return new(Nodes(moving), () => Unbind(moving));
    }

    private List<string> Unbind(IReadOnlyList<PciFunction> planned)
    {
        lock (_gate)
        {
            var known = _store.Read();
            List<PciFunction> moving = [.. planned.Select(f => targets.Function(f.Address)).Where(f => known.ContainsKey(f.Address))];
            foreach (var each in moving)
            {
                var former = known[each.Address];
                if (former.Id != Id(each))
                    throw new PciException(Errno.ENODEV, $"{each.Address} is {Id(each)} now; what the broker bound there was {former.Id}", "Delete its entry in broker.bindings; another card has no former driver.");
                if (former.Driver is { } driver && !_driver.IsLoaded(driver))
                    throw new PciException(Errno.ENODEV, $"The driver {driver}, which {each.Address} had, is not loaded", $"modprobe {driver}.");
                RefuseHeld(each);
                RefuseUsedVirtual(each);
            }
            var back = moving.ToDictionary(f => f.Address, f => known[f.Address], StringComparer.Ordinal);
            var now = moving.ToDictionary(f => f.Address, f => (f.Driver, Override: _driver.Override(f.Address)), StringComparer.Ordinal);
            var done = InTurn(
                back,
                f => Move(f.Key, now[f.Key].Driver, f.Value.Driver, f.Value.Override),
                f => Move(f.Key, f.Value.Driver, now[f.Key].Driver, now[f.Key].Override),
                known);
            _store.Write(known.Where(k => !back.ContainsKey(k.Key)));
            return done;
        }
    }

    // What has to go to the driver for the function to be of use: itself, and who stands in the way of its group.
    private List<PciFunction> Moving(PciFunction function, string driver, bool wholeGroup)
    {
        if (Targets.IsBridge(function))
            throw new PciException(Errno.EINVAL, $"{function.Address} is a bridge: what is behind it would lose its way", "Bind the functions behind it.");
        List<PciFunction> others = [.. targets.Together(function).Where(f => f.Address != function.Address && !Targets.IsBridge(f) && f.Driver is not null and not "pci-stub" && f.Driver != driver)];
        if (others.Count > 0 && !wholeGroup)
        {
            throw new PciException(
                Errno.EBUSY,
                $"{function.Address} is in IOMMU group {function.Group} together with {string.Join(", ", others.Select(f => $"{f.Address} ({f.Driver})"))}: the IOMMU cannot tell them apart, so nobody can use one while the others have drivers of their own",
                $"Give all of them to {driver}: --whole-group.");
        }
        return [function, .. others];
    }

    private void Judge(PeerCredentials who, string driver, IReadOnlyList<PciFunction> functions)
    {
        string backend = driver == Targets.UioDriver ? Target.Uio : Target.Vfio;
        config.Policy.Judge(who, Act.Bind, new(DeviceId.Parse($"{backend}:{functions[0].Address}"), string.Empty, functions));
    }

    private void RefuseUsed(PciFunction function)
    {
        RefuseHeld(function);
        if (_uses.Of(function) is { Count: > 0 } uses)
            throw new PciException(Errno.EBUSY, $"{function.Address} is in use: {string.Join("; ", uses)}", "End that use first; the broker takes nothing away from the machine itself.");
    }

    // They go with the driver of the one that has them.
    private void RefuseUsedVirtual(PciFunction function)
    {
        foreach (var each in targets.VirtualOf(function))
            RefuseUsed(each);
    }

    // Whatever the functions, and those that go with them, are opened by: before, meanwhile and after.
    private HashSet<string> Nodes(IEnumerable<PciFunction> moving)
    {
        HashSet<string> nodes = new(StringComparer.Ordinal);
        foreach (var function in moving.SelectMany(f => (IEnumerable<PciFunction>)[f, .. targets.VirtualOf(f)]))
        {
            nodes.Add(Path.Combine(config.UioNodes, function.Address));
            if (function.Group is { } group)
                nodes.Add(Path.Combine(config.VfioNodes, group));
        }
        return nodes;
    }

    // A driver that is told to let a function go waits for whoever has it open.
    private void RefuseHeld(PciFunction function)
    {
        var target = function switch
        {
            { IsVfio: true, Group: { } group } => new Target(DeviceId.Parse($"vfio:{function.Address}"), Path.Combine(config.VfioNodes, group), [function]),
            { Driver: Targets.UioDriver } => new Target(DeviceId.Parse($"uio:{function.Address}"), Path.Combine(config.UioNodes, function.Address), [function]),
            _ => null,
        };
        if (target is null)
            return;
        var holders = processes.With(target.Node);
        var obstacle = target.Device.Backend == Target.Vfio ? DeviceNodes.Obstacle(target) : null;
        if (holders.Count > 0 || obstacle is Errno.EBUSY)
            throw new PciException(Errno.EBUSY, $"{target} is open{(holders.Count > 0 ? $" in process {Processes.Named(holders)}" : string.Empty)}", $"End that program, or take the device back: riser broker take-back {target}.");
        if (obstacle is { } errno)
            throw new PciException(errno, $"Whether {target} is open cannot be told: {target.Node} does not open", "The broker has run into a limit (EMFILE, ENFILE), or is not root (EACCES).");
    }

    private static bool IsAnother(KeyValuePair<string, FormerBinding> known, Dictionary<string, FormerBinding> now) => now.TryGetValue(known.Key, out var card) && card.Id != known.Value.Id;

    private List<string> InTurn(
        Dictionary<string, FormerBinding> functions,
        Func<KeyValuePair<string, FormerBinding>, string> act,
        Action<KeyValuePair<string, FormerBinding>> undo,
        IEnumerable<KeyValuePair<string, FormerBinding>> known)
    {
        List<string> done = [];
        List<KeyValuePair<string, FormerBinding>> begun = [];
        try
        {
            foreach (var function in functions)
            {
                begun.Add(function);
                done.Add(act(function));
            }
            return done;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            string state = "what had been done was undone";
            foreach (var function in Enumerable.Reverse(begun))
            {
                try
                {
                    undo(function);
                }
                catch (Exception worse) when (worse is IOException or UnauthorizedAccessException)
                {
                    state = $"{function.Key} could not be brought back: {worse.Message}";
                }
            }
            if (state.StartsWith("what", StringComparison.Ordinal))
                _store.Write(known);
            throw new PciException(Errno.EIO, $"{begun[^1].Key} was not taken by its new driver ({problem.Message}); {state}", "The kernel's log says more.");
        }
    }

    private string Move(string address, string? from, string? to, string? onlyFor)
    {
        _driver.SetOverride(address, onlyFor);
        _driver.Unbind(address);
        if (to is not null)
            _driver.Bind(address, to);
        return $"{address} went from {from ?? "no driver"} to {to ?? "no driver"}";
    }

    private static string Id(PciFunction function) => $"{function.VendorId:x4}:{function.ProductId:x4}";
}
