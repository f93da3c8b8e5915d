using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>The calls on an opened device; replaced in specs.</summary>
internal interface IVfioDevice : IDisposable
{
    vfio_device_info GetInfo();

    /// <summary>struct vfio_region_info and its capabilities.</summary>
    byte[] GetRegionInfo(uint index);

    vfio_irq_info GetIrqInfo(uint index);

    /// <summary>VFIO_DEVICE_SET_IRQS. <paramref name="eventFds"/> is empty or has <paramref name="count"/> descriptors, -1 for none.</summary>
    /// <returns>0, or how many vectors there are when there are fewer than were asked for; then nothing was done.</returns>
    int SetIrqs(uint index, uint flags, uint start, uint count, ReadOnlySpan<int> eventFds = default);

    /// <summary>Reads 1, 2, 4 or 8 bytes at an offset of the device file.</summary>
    ulong Read(ulong offset, int width);

    /// <summary>Writes 1, 2, 4 or 8 bytes at an offset of the device file.</summary>
    void Write(ulong offset, int width, ulong value);

    /// <summary>Maps part of the device file over a reserved range.</summary>
    void MapInto(MemoryMapping mapping, ulong mappingOffset, ulong size, bool writable, ulong offset);

    void Reset();

    /// <summary>What a hot reset would reset; null when there is none for this device.</summary>
    vfio_pci_dependent_device[]? GetHotResetInfo();

    void HotReset(IReadOnlyList<FileDescriptor> groups);
}

/// <summary>An opened PCI function of a group.</summary>
internal sealed class VfioDeviceFile(int fd) : VfioFile(fd), IVfioDevice
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

    public unsafe ulong Read(ulong offset, int width)
    {
        ulong value = 0;
        // SAFETY: the kernel writes at most width (8 or less) bytes into an 8-byte local; little endian, as PCI is.
        nint done = LibC.pread(this, &value, (nuint)width, (long)offset);
        return done == width ? value : throw Short("pread(vfio-device)", done);
    }

    public unsafe void Write(ulong offset, int width, ulong value)
    {
        // SAFETY: the kernel reads at most width (8 or less) bytes of an 8-byte local.
        nint done = LibC.pwrite(this, &value, (nuint)width, (long)offset);
        if (done != width)
            throw Short("pwrite(vfio-device)", done);
    }

    public void MapInto(MemoryMapping mapping, ulong mappingOffset, ulong size, bool writable, ulong offset) =>
        mapping.Overlay((nuint)mappingOffset, (nuint)size, LibC.PROT_READ | (writable ? LibC.PROT_WRITE : 0), LibC.MAP_SHARED, Number, (long)offset);

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

    // A short transfer is what the kernel does at the end of a region; the callers have checked the bounds.
    private static NativeException Short(string call, nint done) => new(call, done < 0 ? LibC.LastErrno : Errno.EIO, done < 0 ? null : $"{done} bytes");
}
