using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Vfio;

/// <inheritdoc/>
internal sealed class VfioVectors(IVfioDevice device, DeviceConfigSpace config, IReadOnlyList<VectorInfo> kinds, int ahead)
    : HardwareVectors(config, kinds, ahead)
{
    private const uint Now = LibC.VFIO_IRQ_SET_DATA_NONE;

    /// <summary>The kinds that a device has.</summary>
    public static IReadOnlyList<VectorInfo> Discover(IVfioDevice device)
    {
        List<VectorInfo> found = [];
        foreach (var kind in Enum.GetValues<VectorKind>())
        {
            var info = device.GetIrqInfo(Index(kind));
            if (info.count == 0 || (info.flags & LibC.VFIO_IRQ_INFO_EVENTFD) == 0)
                continue;
            found.Add(new(
                kind,
                (int)info.count,
                CanMask: (info.flags & LibC.VFIO_IRQ_INFO_MASKABLE) != 0,
                CanGrow: (info.flags & LibC.VFIO_IRQ_INFO_NORESIZE) == 0,
                AutoMasked: (info.flags & LibC.VFIO_IRQ_INFO_AUTOMASKED) != 0));
        }

        return found;
    }

    // VFIO takes all that it is asked to connect, or none, and says how many the host has.
    protected override int Take(VectorKind kind, EventFdHandle?[] wanted, int end, int ahead)
    {
        int take = ahead;
        int there = Set(kind, 0, wanted.AsSpan(0, take));
        if (there >= end && there < take) // fewer than were wanted ahead, but enough
            there = Set(kind, 0, wanted.AsSpan(0, take = there));
        return there == 0 ? take : throw new PciException(Errno.ENOSPC, $"The host has {there} {kind} vectors left for this function, {end} are needed", "Arm fewer, or free vectors of other devices.");
    }

    protected override void Connect(VectorKind kind, int start, ReadOnlySpan<EventFdHandle?> eventFds) => Set(kind, start, eventFds);

    protected override void Free(VectorKind kind) => device.SetIrqs(Index(kind), Now | LibC.VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0);

    protected override void SetMask(VectorKind kind, int vector, bool masked) =>
        device.SetIrqs(Index(kind), Now | (masked ? LibC.VFIO_IRQ_SET_ACTION_MASK : LibC.VFIO_IRQ_SET_ACTION_UNMASK), (uint)vector, 1);

    protected override void Raise(VectorKind kind, int start, int count) =>
        device.SetIrqs(Index(kind), Now | LibC.VFIO_IRQ_SET_ACTION_TRIGGER, (uint)start, (uint)count);

    private int Set(VectorKind kind, int start, ReadOnlySpan<EventFdHandle?> eventFds)
    {
        const uint Eventfds = LibC.VFIO_IRQ_SET_DATA_EVENTFD | LibC.VFIO_IRQ_SET_ACTION_TRIGGER;
        int count = eventFds.Length;

        return VectorTable.With(eventFds, numbers =>
            Config.Access(() => device.SetIrqs(Index(kind), Eventfds, (uint)start, (uint)count, numbers.AsSpan(0, count)), failure: null));
    }

    private static uint Index(VectorKind kind) => kind switch
    {
        VectorKind.IntX => LibC.VFIO_PCI_INTX_IRQ_INDEX,
        VectorKind.Msi => LibC.VFIO_PCI_MSI_IRQ_INDEX,
        _ => LibC.VFIO_PCI_MSIX_IRQ_INDEX,
    };
}
