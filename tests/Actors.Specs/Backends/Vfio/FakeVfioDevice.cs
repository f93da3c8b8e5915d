using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends.Vfio;

/// <summary>A kernel's side of an opened device: configuration space in memory, and the vectors as vfio-pci keeps them.</summary>
internal sealed class FakeVfioDevice : IVfioDevice
{
    public const ulong ConfigOffset = 7UL << 40;

    public byte[] Config { get; } = new byte[256];

    public bool Gone { get; set; }

    /// <summary>What is connected, by vector; null: no kind is enabled.</summary>
    public int[]? Enabled { get; private set; }

    public uint EnabledIndex { get; private set; }

    public int HostVectors { get; set; } = int.MaxValue;

    public Dictionary<uint, vfio_irq_info> Irqs { get; } = [];

    /// <summary>Flags, start, count of every call.</summary>
    public List<(uint Flags, uint Start, uint Count)> Calls { get; } = [];

    public List<uint> Triggered { get; } = [];

    public vfio_pci_dependent_device[]? Dependents { get; set; }

    public List<string> Resets { get; } = [];

    public vfio_device_info GetInfo() => new() { flags = LibC.VFIO_DEVICE_FLAGS_PCI };

    public byte[] GetRegionInfo(uint index)
    {
        byte[] reply = new byte[Unsafe.SizeOf<vfio_region_info>()];
        MemoryMarshal.Write(reply, new vfio_region_info { index = index });
        return reply;
    }

    public vfio_irq_info GetIrqInfo(uint index) => Irqs.GetValueOrDefault(index);

    public int SetIrqs(uint index, uint flags, uint start, uint count, ReadOnlySpan<int> eventFds = default)
    {
        Calls.Add((flags, start, count));
        if ((flags & LibC.VFIO_IRQ_SET_ACTION_TRIGGER) == 0)
            return 0;
        if (count == 0)
        {
            Enabled = null;
            return 0;
        }

        if ((flags & LibC.VFIO_IRQ_SET_DATA_NONE) != 0)
        {
            Triggered.AddRange(Enumerable.Range((int)start, (int)count).Select(i => (uint)i));
            return 0;
        }

        if (Enabled is null)
        {
            if (start + count > HostVectors)
                return HostVectors;
            (EnabledIndex, Enabled) = (index, [.. Enumerable.Repeat(-1, (int)(start + count))]);
        }
        else if (index != EnabledIndex)
        {
            throw new NativeException("VFIO_DEVICE_SET_IRQS", Errno.EINVAL);
        }
        else if (start + count > Enabled.Length)
        {
            if ((Irqs[index].flags & LibC.VFIO_IRQ_INFO_NORESIZE) != 0)
                throw new NativeException("VFIO_DEVICE_SET_IRQS", Errno.EINVAL);
            Enabled = [.. Enabled, .. Enumerable.Repeat(-1, (int)(start + count) - Enabled.Length)];
        }

        eventFds.CopyTo(Enabled.AsSpan((int)start));
        return 0;
    }

    public ulong Read(ulong offset, int width)
    {
        if (Gone)
            return ulong.MaxValue >> (64 - (width * 8));
        ulong value = 0;
        Config.AsSpan((int)(offset - ConfigOffset), width).CopyTo(MemoryMarshal.AsBytes(new Span<ulong>(ref value)));
        return value;
    }

    public void Write(ulong offset, int width, ulong value) =>
        MemoryMarshal.AsBytes(new Span<ulong>(ref value))[..width].CopyTo(Config.AsSpan((int)(offset - ConfigOffset)));

    public void MapInto(MemoryMapping mapping, ulong mappingOffset, ulong size, bool writable, ulong offset) => throw new NotSupportedException();

    public void Reset() => Resets.Add("function");

    public vfio_pci_dependent_device[]? GetHotResetInfo() => Dependents;

    public void HotReset(IReadOnlyList<FileDescriptor> groups) => Resets.Add("bus");

    public void Dispose()
    {
    }
}
