using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Vfio;

/// <summary>One IOMMU group that Riser has open: its file, its container and the functions in use.</summary>
/// <param name="id">The group's number.</param>
/// <param name="file">Owned.</param>
/// <param name="container">Owned.</param>
/// <param name="space">What is mapped in the container.</param>
/// <param name="grant">Owned; null where this user could open the group by himself.</param>
internal sealed class VfioGroup(string id, VfioGroupFile file, VfioContainerFile container, VfioAddressSpace space, BrokerGrant? grant)
{
    /// <summary>The broker's wish to have the group back.</summary>
    public WantedNotice Wanted { get; } = Listen(grant);

    public string Id => id;

    public VfioGroupFile File => file;

    public VfioAddressSpace Space => space;

    /// <summary>Addresses of the functions in use; under the lock of <see cref="VfioGroups"/>.</summary>
    public HashSet<string> Users { get; } = new(StringComparer.Ordinal);

    public void Close()
    {
        file.Dispose();
        container.Dispose();
        grant?.Dispose(); // last: it tells the broker that all is closed
    }

    private static WantedNotice Listen(BrokerGrant? grant)
    {
        var wanted = new WantedNotice();
        grant?.OnWanted(wanted.Raise);
        return wanted;
    }
}

/// <summary>
/// The groups that are open, each once and for as long as a session needs it: the kernel gives a group to one program,
/// and all its functions share one container. Thread-safe.
/// </summary>
internal sealed class VfioGroups(VfioSettings settings, VfioObstacles obstacles)
{
    private readonly Dictionary<string, VfioGroup> _open = [];
    private readonly Lock _gate = new();

    /// <summary>Opens a group or joins it, for one of its functions; each call wants its <see cref="Release"/>.</summary>
    /// <exception cref="PciException">EBUSY: the function is in use, here (the kernel would open it twice) or by another program.</exception>
    public VfioGroup Acquire(string id, string address)
    {
        lock (_gate)
        {
            if (!_open.TryGetValue(id, out var group))
                _open[id] = group = Open(id, address);
            return group.Users.Add(address)
                ? group
                : throw new PciException(Errno.EBUSY, $"{address} has a session in this program already", "Use that one, or end it first.");
        }
    }

    public void Release(VfioGroup group, string address)
    {
        lock (_gate)
        {
            group.Users.Remove(address);
            if (group.Users.Count > 0)
                return;
            _open.Remove(group.Id);
            group.Close();
        }
    }

    /// <summary>Runs <paramref name="use"/> on the open ones of some groups while none of them can be closed.</summary>
    public T With<T>(IEnumerable<string> ids, Func<IReadOnlyList<VfioGroup>, T> use)
    {
        lock (_gate)
            return use([.. ids.Distinct(StringComparer.Ordinal).Select(id => _open.GetValueOrDefault(id)).OfType<VfioGroup>()]);
    }

    private VfioGroup Open(string id, string address)
    {
        string node = Path.Combine(settings.Nodes, id);
        VfioContainerFile? container = null;
        VfioGroupFile? file = null;
        BrokerGrant? grant = null;
        try
        {
            container = OpenContainer();
            file = OpenGroup(node, id);
            if (file is null || container is null)
            {
                file?.Dispose(); // the broker opens it anew, and the kernel opens a group once
                grant = AskBroker(address, container is null);
                file = new(grant.Device);
                container ??= Checked(new(grant.Container!));
            }
            if (!file.IsViable)
                throw obstacles.NotViable(id) ?? new PciException(Errno.EINVAL, $"The kernel says that IOMMU group {id} is not viable", "Bind all its functions to vfio-pci; the kernel's log may say more.");
            Attach(container, file, id);
            return new(id, file, container, new(container, settings.CheckMemlock ? Memlock.Now : null), grant);
        }
        catch
        {
            file?.Dispose();
            container?.Dispose();
            grant?.Dispose();
            throw;
        }
    }

    private BrokerGrant AskBroker(string address, bool container) => BrokerGrant.Open(settings.Broker, DeviceId.Parse($"vfio:{address}"), container);

    /// <returns>Null: this user may not open it, and there is a broker to ask.</returns>
    private VfioContainerFile? OpenContainer()
    {
        try
        {
            return Checked(VfioContainerFile.Open(ContainerNode));
        }
        catch (NativeException fault)
        {
            return fault.Errno switch
            {
                Errno.EACCES or Errno.EPERM when settings.Broker.IsThere => null,
                Errno.EACCES or Errno.EPERM => throw VfioObstacles.NoPermission(ContainerNode, fault.Errno),
                Errno.ENOENT or Errno.ENODEV or Errno.ENXIO => throw VfioObstacles.NoModule(ContainerNode, fault.Errno),
                _ => throw Failed(fault, ContainerNode),
            };
        }
    }

    private string ContainerNode => Path.Combine(settings.Nodes, "vfio");

    private VfioContainerFile Checked(VfioContainerFile container)
    {
        if (container.ApiVersion == LibC.VFIO_API_VERSION && container.Has(LibC.VFIO_TYPE1v2_IOMMU))
            return container;
        container.Dispose();
        throw new PciException(Errno.EINVAL, $"{ContainerNode} has no type1v2 IOMMU of API version {LibC.VFIO_API_VERSION}", "Load it: modprobe vfio_iommu_type1.");
    }

    /// <returns>Null: this user may not open it, and there is a broker to ask.</returns>
    private VfioGroupFile? OpenGroup(string node, string id)
    {
        try
        {
            return VfioGroupFile.Open(node);
        }
        catch (NativeException fault)
        {
            return fault.Errno switch
            {
                Errno.EACCES or Errno.EPERM when settings.Broker.IsThere => null,
                Errno.EACCES or Errno.EPERM => throw VfioObstacles.NoPermission(node, fault.Errno),
                Errno.EBUSY => throw new PciException(Errno.EBUSY, $"IOMMU group {id} is held by another program ({node})", $"End that program first; fuser -v {node} names it.", inner: fault),
                Errno.ENOENT or Errno.ENODEV => throw obstacles.NotViable(id) ?? new PciException(Errno.ENODEV, $"{node} is not there", "Bind all functions of the group to vfio-pci.", inner: fault),
                _ => throw Failed(fault, node),
            };
        }
    }

    private void Attach(VfioContainerFile container, VfioGroupFile file, string id)
    {
        try
        {
            file.SetContainer(container);
            container.SetIommu(LibC.VFIO_TYPE1v2_IOMMU);
        }
        catch (NativeException fault)
        {
            throw fault switch
            {
                { Call: "VFIO_SET_IOMMU", Errno: Errno.EPERM } => new PciException(
                    Errno.EPERM,
                    $"The kernel does not let IOMMU group {id} be used: the platform cannot keep a device from raising another's interrupts",
                    "Turn interrupt remapping on in the firmware; or, trusting the devices, set allow_unsafe_interrupts=1 of the module vfio_iommu_type1.",
                    inner: fault),
                { Errno: Errno.EBUSY or Errno.EPERM } when obstacles.NotViable(id) is { } offender => offender,
                { Errno: Errno.EBUSY } => new PciException(Errno.EBUSY, $"IOMMU group {id} is held by another program", "End that program first.", inner: fault),
                _ => Failed(fault, $"IOMMU group {id}"),
            };
        }
    }

    private static PciException Failed(NativeException fault, string what) =>
        new(fault.Errno, $"{fault.Call} failed for {what}", "The kernel's log may say more.", SessionFailure.OpenFailed, fault);
}
