using Akka.Configuration;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Uio;

/// <summary>
/// Devices that are bound to uio_pci_user, this project's kernel module. Needs no root: read and write permission for
/// /dev/uio_pci_user/&lt;address&gt; and a limit of locked memory that holds the mappings. Where the module is not to be had, devices that are
/// bound to Linux's own uio_pci_generic: registers, configuration space and INTx, and no DMA.
/// </summary>
public sealed class UioBackend : IPciBackend, IAsksBroker
{
    private readonly UioSettings _settings;
    private readonly INodeOpener _nodes;
    private readonly PciSysfs _sysfs;
    private readonly UioObstacles _obstacles;

    /// <param name="config">The section <c>riser.backends.uio</c>; keys that are missing have the defaults of reference.conf.</param>
    /// <exception cref="ConfigurationException">A value that the key does not take.</exception>
    public UioBackend(Config config)
        : this(config, NodeFile.Direct)
    {
    }

    internal UioBackend(Config config, INodeOpener nodes)
    {
        _settings = UioSettings.Read(config);
        _nodes = nodes;
        _sysfs = new(_settings.Sysfs);
        _obstacles = new(_sysfs, _settings);
    }

    /// <inheritdoc/>
    public string Name => "uio";

    /// <summary>The functions that are bound to either driver. Of others, <see cref="Open"/> says what keeps them from being opened.</summary>
    public IReadOnlyList<DeviceDescription> Discover() => [.. _sysfs.All().Where(Belongs).Select(Describe)];

    /// <inheritdoc/>
    public IPciSession Open(DeviceId device)
    {
        var function = _sysfs.Find(device.Address) ?? throw PciObstacles.Unknown(device.Address);
        if (_obstacles.Of(function) is { } obstacle)
            throw obstacle;
        return function.IsUioGeneric ? OpenPlain(function.Address) : OpenUser(function.Address);
    }

    /// <inheritdoc/>
    public IDisposable Watch(Action<DeviceChange> changed) => new PciWatch(_sysfs, Belongs, Describe, changed, _settings.HotPlug.Uevents, _settings.HotPlug.PollInterval);

    /// <summary>Nothing of its own: sessions hold what is open.</summary>
    public void Dispose()
    {
    }

    private static bool Belongs(PciFunction function) => function.IsUioUser || function.IsUioGeneric;

    private UioSession OpenUser(string address)
    {
        UpuFile? file = null;
        BrokerGrant? grant = null;
        try
        {
            file = new UpuFile(OpenNode(address, out grant));
            var wanted = new WantedNotice();
            grant?.OnWanted(wanted.Raise);
            // Asked by whoever meets the refusal, a driver at its registers too: only the first waits.
            int asked = 0;
            return new(address, file, _settings, () => WantedBack(address, grant, patient: Interlocked.Exchange(ref asked, 1) == 0) ?? Taken(address), wanted, grant);
        }
        catch (Exception fault)
        {
            file?.Dispose();
            grant?.Dispose();
            if (fault is NativeException refused)
                throw _obstacles.NotOpened(address, refused);
            throw;
        }
    }

    // What this user may not open, the broker may give.
    private int OpenNode(string address, out BrokerGrant? grant)
    {
        grant = null;
        try
        {
            return _nodes.Open(_obstacles.Node(address));
        }
        catch (NativeException fault) when (fault.Errno == Errno.EACCES && _settings.Broker.IsThere)
        {
            grant = BrokerGrant.Open(_settings.Broker, DeviceId.Parse($"uio:{address}"));
            return grant.Device.Release();
        }
    }

    // The broker says that it wants a device back before it takes it, but on another way than the kernel.
    private static PciException? WantedBack(string address, BrokerGrant? grant, bool patient) => grant?.WaitWanted(patient ? TimeSpan.FromSeconds(1) : TimeSpan.Zero) == true
        ? new(Errno.ENODEV, $"The broker has taken {address} back", "Resume the device to ask for it again.", SessionFailure.RemovalRequested)
        : null;

    private PlainSession OpenPlain(string address)
    {
        UioFile? file = null;
        PlainWindows? windows = null;
        string node = _obstacles.PlainNode(address) ?? throw PciObstacles.Unknown(address);
        try
        {
            file = new UioFile(_nodes.Open(node));
            if (!file.TryLock())
                throw new PciException(Errno.EBUSY, $"{address} is held by another program", $"End that program first; fuser -v {node} names it.");
            windows = new PlainWindows(_sysfs.PathOf(address), _nodes);
            return new(address, _sysfs.PathOf(address), file, windows, Path.Combine(_sysfs.PathOf(address), "uio", Path.GetFileName(node), "event"));
        }
        catch (NativeException fault)
        {
            Abandon();
            throw _obstacles.OfPlain(address) ?? new(fault.Errno, $"{fault.Call} failed for {address}", "The kernel's log may say more.", SessionFailure.OpenFailed, fault);
        }
        catch
        {
            Abandon();
            throw;
        }

        void Abandon()
        {
            windows?.Dispose();
            file?.Dispose();
        }
    }

    // The session's calls are refused, and yet the module has the function: somebody has said UPU_REVOKE.
    private PciException? Taken(string address) =>
        _sysfs.Find(address) is { IsUioUser: true } && PciObstacles.Exists(_obstacles.Node(address))
            ? new(Errno.ENODEV, $"{address} was taken from this session (UPU_REVOKE)", "It is opened again after a while, if nobody else has it by then.", SessionFailure.Revoked)
            : null;

    private DeviceDescription Describe(PciFunction function)
    {
        var obstacle = _obstacles.Of(function);
        return new(DeviceId.Parse($"uio:{function.Address}"), function.VendorId, function.ProductId, function.ClassCode, function.Group, obstacle is null ? null : $"{obstacle.Why}. {obstacle.Fix}");
    }
}
