using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Uio;

/// <summary>
/// One function opened through uio_pci_user: everything goes through its one file. Each concern is a class of its own; here they begin
/// and end together. Closing the file is what ends a session, in the promised order: bus mastering off, reset, vectors, mappings.
/// </summary>
internal sealed class UioSession : HardwareSession, IPciSession
{
    private readonly IUpuDevice _device;
    private readonly DeviceConfigSpace _config;
    private readonly DeviceBars _bars;
    private readonly UioVectors _vectors;
    private readonly UioAddressSpace _space;
    private readonly WantedNotice _wanted;
    private readonly BrokerGrant? _grant;

    /// <param name="address">The device, for messages.</param>
    /// <param name="device">Owned by the session once this has returned.</param>
    /// <param name="settings">Of the backend.</param>
    /// <param name="taken">See <see cref="DeviceConfigSpace"/>.</param>
    /// <param name="wanted">The broker's wish to have the device back.</param>
    /// <param name="grant">As the device; null where this user could open it by himself.</param>
    public UioSession(string address, IUpuDevice device, UioSettings settings, Func<PciException?> taken, WantedNotice wanted, BrokerGrant? grant = null)
        : base(address)
    {
        (_device, _wanted, _grant) = (device, wanted, grant);
        var info = device.GetInfo(out var reserved);
        if (info.api_version < LibC.UPU_API_VERSION)
            throw new PciException(Errno.EPROTO, $"The loaded {UioObstacles.Module} speaks version {info.api_version} of its interface, {LibC.UPU_API_VERSION} is needed", "Build and load the module of this release.");
        var window = device.GetBar(LibC.UPU_WINDOW_CONFIG, out _);
        _config = new(device, address, window.offset, (int)window.size, taken);
        var kinds = UioVectors.Discover(info);
        _vectors = new(device, _config, kinds, settings.VectorsAhead);
        _space = new(device, _config, UioAddressSpace.Describe(info, reserved), settings.CheckMemlock ? Memlock.Now : null);
        // A driver that reads a register of a device that was just taken away reads all ones, and the process lives on.
        device.SetEventFd(LibC.UPU_SET_REQ_EVENTFD, eventFd: -1, LibC.UPU_REQ_SPARE_BARS);
        _bars = new(device, _config, address, Windows(device));
        try
        {
            _config.SetBusMaster(true); // and memory decoding, which mapped BARs need
            Info = new(_bars.Info, kinds, _space.Info, _config.Size, CanReset: info.reset_kinds != 0, CanTrigger: kinds.Count > 0);
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

    public override IReadOnlyList<IovaRange>? Map(IReadOnlyList<DmaPiece> pieces)
    {
        CheckOpen();
        return _space.Map(pieces);
    }

    public override void Unmap(IovaRange range)
    {
        CheckOpen();
        _space.Unmap(range);
    }

    FileDescriptor IPciSession.AllocateBuffer(ulong size, bool huge)
    {
        CheckOpen();
        try
        {
            return _config.Access(() => _device.Allocate(size, huge, node: -1), failure: null);
        }
        catch (PciException refused) when (refused is { Errno: Errno.ENOMEM, Failure: null })
        {
            throw Memlock.Now().Explain(size, refused);
        }
    }

    protected override void Connect(SessionNotice notice, EventFdHandle? eventFd)
    {
        CheckOpen();
        if (notice == SessionNotice.RemovalRequested)
            _wanted.Connect(this, eventFd);
        uint request = notice switch
        {
            SessionNotice.DeviceError => LibC.UPU_SET_ERR_EVENTFD,
            SessionNotice.RemovalRequested => LibC.UPU_SET_REQ_EVENTFD,
            _ => LibC.UPU_SET_INVALIDATION_EVENTFD,
        };
        VectorTable.With([eventFd], numbers => _config.Access(
            () =>
            {
                _device.SetEventFd(request, numbers[0]);
                return 0;
            },
            failure: null));
    }

    public override IReadOnlyList<Invalidation> TakeInvalidations()
    {
        CheckOpen();
        return _space.TakeInvalidations();
    }

    public IReadOnlyList<SessionEvent>? TakeEvents()
    {
        CheckOpen();
        List<SessionEvent> taken = [];
        while (_config.Access(_device.TakeEvent) is { } found)
        {
            if ((found.flags & LibC.UPU_EVENT_LOST) != 0) // nobody knows what they were
                taken.Add(new(SessionEventKind.Error, Sequence: 0, Deadline: null));
            taken.Add(UioEvents.Read(found));
        }

        if (_wanted.IsRaised)
            taken.Add(new(SessionEventKind.Remove, Sequence: 0, Deadline: null)); // the broker asks nothing; its wish is no event of the kernel
        return taken;
    }

    public void Reply(long sequence, SessionReply reply)
    {
        CheckOpen();
        try
        {
            _config.Access(() => _device.Reply((ulong)sequence, UioEvents.Code(reply)), failure: null);
        }
        catch (PciException refused) when (refused.Failure is null)
        {
            throw refused.Errno switch
            {
                Errno.ENOENT => new(Errno.ENOENT, $"Nobody waits for an answer to event {sequence} any more", "Answer within the event's deadline.", inner: refused),
                Errno.EINVAL => new(Errno.EINVAL, $"Event {sequence} cannot be answered with {reply}", "Recover and Disconnect are answers to every event; Look and ResetLink to errors alone.", inner: refused),
                _ => refused,
            };
        }
    }

    public override bool Reset()
    {
        CheckOpen();
        if (!Info.CanReset)
            throw new PciException(Errno.EOPNOTSUPP, $"{Address} cannot be reset: it has no FLR, no power reset and no bus of its own", "Reset it through its own registers, if it has one for that.");
        try
        {
            _config.Access(_device.Reset, failure: null);
        }
        catch (PciException busy) when (busy is { Errno: Errno.EBUSY, Failure: null })
        {
            throw new PciException(Errno.EBUSY, $"{Address} is locked by the kernel, or an error of it is being handled", "Try again.", inner: busy);
        }
        return false;
    }

    protected override void End()
    {
        _wanted.Connect(this, eventFd: null);
        Step(_bars.End); // before all else: no driver writes to what is being taken down, and no VMA holds the file
        Step(_config.Close);
        Step(_vectors.Close);
        _space.Close();
        _device.Dispose();
        _grant?.Dispose(); // last: it tells the broker that all is closed
    }

    private static IEnumerable<DeviceWindow> Windows(IUpuDevice device)
    {
        for (uint index = 0; index <= LibC.UPU_WINDOW_ROM; index++)
        {
            var bar = device.GetBar(index, out var ranges);
            if (bar.size > 0)
            {
                yield return new(
                    (int)index,
                    bar.offset,
                    bar.size,
                    Readable: (bar.flags & LibC.UPU_BAR_READ) != 0,
                    Writable: (bar.flags & LibC.UPU_BAR_WRITE) != 0,
                    [.. ranges.Select(r => (r.offset, r.size))]);
            }
        }
    }
}
