using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>The calls on an opened device; replaced in specs.</summary>
internal interface IVfioDevice : IDeviceWindows
{
    vfio_device_info GetInfo();

    /// <summary>struct vfio_region_info and its capabilities.</summary>
    byte[] GetRegionInfo(uint index);

    vfio_irq_info GetIrqInfo(uint index);

    /// <summary>VFIO_DEVICE_SET_IRQS. <paramref name="eventFds"/> is empty or has <paramref name="count"/> descriptors, -1 for none.</summary>
    /// <returns>0, or how many vectors there are when there are fewer than were asked for; then nothing was done.</returns>
    int SetIrqs(uint index, uint flags, uint start, uint count, ReadOnlySpan<int> eventFds = default);

    void Reset();

    /// <summary>What a hot reset would reset; null when there is none for this device.</summary>
    vfio_pci_dependent_device[]? GetHotResetInfo();

    void HotReset(IReadOnlyList<FileDescriptor> groups);
}

/// <summary>An opened PCI function of a group.</summary>
internal sealed class VfioDeviceFile(int fd) : WindowFile(fd), IVfioDevice
{
    private const int MostDependents = 4096; // a bus has 256 functions; a slot reset may take several buses

    public vfio_device_info GetInfo()
    {
        var info = new vfio_device_info { argsz = (uint)Unsafe.SizeOf<vfio_device_info>() };
        Call(LibC.VFIO_DEVICE_GET_INFO, ref info);
        return info;
    }

    public byte[] GetRegionInfo(uint index) => Ask(LibC.VFIO_DEVICE_GET_REGION_INFO, new vfio_region_info { index = index });

    public vfio_irq_info GetIrqInfo(uint index)
    {
        var info = new vfio_irq_info { argsz = (uint)Unsafe.SizeOf<vfio_irq_info>(), index = index };
        Call(LibC.VFIO_DEVICE_GET_IRQ_INFO, ref info);
        return info;
    }

    public int SetIrqs(uint index, uint flags, uint start, uint count, ReadOnlySpan<int> eventFds = default)
    {
        int head = Unsafe.SizeOf<vfio_irq_set>();
        byte[] argument = new byte[head + (eventFds.Length * sizeof(int))];
        MemoryMarshal.Write(argument, new vfio_irq_set { argsz = (uint)argument.Length, flags = flags, index = index, start = start, count = count });
        MemoryMarshal.AsBytes(eventFds).CopyTo(argument.AsSpan(head));
        return Call(LibC.VFIO_DEVICE_SET_IRQS, argument.AsSpan());
    }

    public void Reset() => Call(LibC.VFIO_DEVICE_RESET, 0);

    public vfio_pci_dependent_device[]? GetHotResetInfo()
    {
        int head = Unsafe.SizeOf<vfio_pci_hot_reset>(), entry = Unsafe.SizeOf<vfio_pci_dependent_device>();
        int count = 16;
        while (true)
        {
            byte[] argument = new byte[head + (count * entry)];
            MemoryMarshal.Write(argument, (uint)argument.Length);
            try
            {
                Call(LibC.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, argument.AsSpan());
                int found = Math.Min(count, (int)MemoryMarshal.Read<vfio_pci_hot_reset>(argument).count);
                return MemoryMarshal.Cast<byte, vfio_pci_dependent_device>(argument.AsSpan(head, found * entry)).ToArray();
            }
            catch (NativeException refused) when (refused.Errno == Errno.ENOSPC && count < MostDependents)
            {
                count *= 4;
            }
            catch (NativeException refused) when (refused.Errno is Errno.ENODEV or Errno.EINVAL or Errno.ENOTTY)
            {
                return null;
            }
        }
    }

    public void HotReset(IReadOnlyList<FileDescriptor> groups)
    {
        int head = Unsafe.SizeOf<vfio_pci_hot_reset>();
        byte[] argument = new byte[head + (groups.Count * sizeof(int))];
        MemoryMarshal.Write(argument, new vfio_pci_hot_reset { argsz = (uint)argument.Length, count = (uint)groups.Count });
        for (int i = 0; i < groups.Count; i++)
            MemoryMarshal.Write(argument.AsSpan(head + (i * sizeof(int))), groups[i].Number);
        Call(LibC.VFIO_DEVICE_PCI_HOT_RESET, argument.AsSpan());
    }
}
