using System.Runtime.InteropServices;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Vfio;

/// <summary>One function opened through VFIO. Each concern is a class of its own; here they begin and end together.</summary>
internal sealed class VfioSession : HardwareSession
{
    private readonly VfioGroups _groups;
    private readonly VfioGroup _group;
    private readonly IVfioDevice _device;
    private readonly DeviceConfigSpace _config;
    private readonly DeviceBars _bars;
    private readonly VfioVectors _vectors;
    private readonly VfioReset _reset;
    private readonly bool _resetAtClose;

    private VfioSession(string address, VfioGroups groups, VfioGroup group, IVfioDevice device, VfioSettings settings)
        : base(address)
    {
        (_groups, _group, _device, _resetAtClose) = (groups, group, device, settings.ResetAtClose);
        var info = device.GetInfo();
        if ((info.flags & LibC.VFIO_DEVICE_FLAGS_PCI) == 0)
            throw new PciException(Errno.EINVAL, $"{address} is no PCI function to VFIO", "Use a device that is bound to vfio-pci or a variant of it.");
        var config = MemoryMarshal.Read<vfio_region_info>(device.GetRegionInfo(LibC.VFIO_PCI_CONFIG_REGION_INDEX));
        _config = new(device, address, config.offset, (int)config.size);
        var kinds = VfioVectors.Discover(device);
        _vectors = new(device, _config, kinds, settings.VectorsAhead);
        _reset = new(device, _config, groups, address, (info.flags & LibC.VFIO_DEVICE_FLAGS_RESET) != 0);
        _bars = new(device, _config, address, Windows(device));
        try
        {
            _config.SetBusMaster(true); // and memory decoding, which mapped BARs need
            Info = new(_bars.Info, kinds, group.Space.Info, _config.Size, _reset.IsPossible, CanTrigger: kinds.Count > 0);
            group.Space.Join(this);
        }
        catch
        {
            _bars.End();
            throw;
        }
    }

    public override SessionInfo Info { get; }

    protected override DeviceConfigSpace Config => _config;

    protected override DeviceBars Bars => _bars;

    protected override HardwareVectors Vectors => _vectors;

    /// <summary>Opens a function of a group; the session releases the group when it ends, and at once when it cannot begin.</summary>
    public static VfioSession Open(string address, VfioGroups groups, VfioGroup group, VfioSettings settings)
    {
        IVfioDevice? device = null;
        try
        {
            device = group.File.OpenDevice(address);
            return new(address, groups, group, device, settings);
        }
        catch (NativeException fault)
        {
            Abandon();
            throw NotOpened(address, fault);
        }
        catch
        {
            Abandon();
            throw;
        }

        void Abandon()
        {
            device?.Dispose();
            groups.Release(group, address);
        }
    }

    public override IReadOnlyList<IovaRange>? Map(IReadOnlyList<DmaPiece> pieces)
    {
        CheckOpen();
        _group.Space.Map(this, pieces);
        return null;
    }

    public override void Unmap(IovaRange range)
    {
        CheckOpen();
        _group.Space.Unmap(this, range);
    }

    protected override void Connect(SessionNotice notice, EventFdHandle? eventFd)
    {
        CheckOpen();
        if (notice == SessionNotice.Invalidation)
            return; // type1 pins and has no notifier
        if (notice == SessionNotice.RemovalRequested)
            _group.Wanted.Connect(this, eventFd);
        uint index = notice == SessionNotice.DeviceError ? LibC.VFIO_PCI_ERR_IRQ_INDEX : LibC.VFIO_PCI_REQ_IRQ_INDEX;
        if (!Gives(index))
            return;
        const uint Flags = LibC.VFIO_IRQ_SET_DATA_EVENTFD | LibC.VFIO_IRQ_SET_ACTION_TRIGGER;
        bool held = false;
        try
        {
            eventFd?.DangerousAddRef(ref held);
            _config.Access(() => _device.SetIrqs(index, Flags, 0, 1, [eventFd?.Number ?? -1]), failure: null);
        }
        finally
        {
            if (held)
                eventFd!.DangerousRelease();
        }
    }

    public override IReadOnlyList<Invalidation> TakeInvalidations()
    {
        CheckOpen();
        return [];
    }

    public override bool Reset()
    {
        CheckOpen();
        return _reset.Reset();
    }

    protected override void End()
    {
        _group.Wanted.Connect(this, eventFd: null);
        Step(_bars.End); // before all else: no driver writes to what is being taken down, and no VMA holds the file
        Step(_config.Close);
        if (_resetAtClose)
            Step(_reset.ResetAtClose);
        Step(_vectors.Close);
        Step(() => _group.Space.Leave(this));
        Step(_device.Dispose);
        Step(() => _groups.Release(_group, Address));
    }

    private static IEnumerable<DeviceWindow> Windows(IVfioDevice device)
    {
        for (int index = 0; index <= LibC.VFIO_PCI_ROM_REGION_INDEX; index++)
        {
            byte[] reply = device.GetRegionInfo((uint)index);
            var info = MemoryMarshal.Read<vfio_region_info>(reply);
            if (info.size == 0)
                continue;
            yield return new(
                index,
                info.offset,
                info.size,
                Readable: (info.flags & LibC.VFIO_REGION_INFO_FLAG_READ) != 0,
                Writable: (info.flags & LibC.VFIO_REGION_INFO_FLAG_WRITE) != 0,
                (info.flags & LibC.VFIO_REGION_INFO_FLAG_MMAP) != 0 ? InfoChain.SparseAreas(reply) : []);
        }
    }

    // ERR is there for PCIe functions only; asking for an index that is not there is EINVAL.
    private bool Gives(uint index)
    {
        try
        {
            return _device.GetIrqInfo(index) is { count: > 0, flags: var flags } && (flags & LibC.VFIO_IRQ_INFO_EVENTFD) != 0;
        }
        catch (NativeException fault) when (fault.Errno == Errno.EINVAL)
        {
            return false;
        }
    }

    private static PciException NotOpened(string address, NativeException fault) => fault.Errno switch
    {
        Errno.EBUSY => new(Errno.EBUSY, $"{address} is held by another program", "End that program first.", inner: fault),
        Errno.EACCES or Errno.EPERM => new(fault.Errno, $"The kernel does not let {address} be opened", "If it is a virtual function of a device that is bound to vfio-pci, a program must hold the physical function and share its VF token.", inner: fault),
        Errno.ENODEV => new(Errno.ENODEV, $"{address} is not a VFIO device of its group any more", "Bind it to vfio-pci again.", SessionFailure.OpenFailed, fault),
        _ => new(fault.Errno, $"{fault.Call} failed while {address} was opened", "The kernel's log may say more.", SessionFailure.OpenFailed, fault),
    };
}
