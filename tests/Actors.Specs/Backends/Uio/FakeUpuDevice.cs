using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends.Uio;

/// <summary>A kernel's side of a function that uio_pci_user holds: mappings and vectors as the module keeps them.</summary>
internal sealed class FakeUpuDevice : IUpuDevice
{
    public const ulong ConfigOffset = 8UL << 40;

    public byte[] Config { get; } = new byte[256];

    /// <summary>Taken away: every call is ENODEV.</summary>
    public bool Dead { get; set; }

    public int HostVectors { get; set; } = int.MaxValue;

    public bool Dynamic { get; set; } = true;

    public uint ArmedKind { get; private set; }

    /// <summary>By vector; the fd.</summary>
    public SortedDictionary<uint, int> Armed { get; } = [];

    public uint Reserved { get; private set; }

    /// <summary>Action, start, count of every SET_IRQS.</summary>
    public List<(uint Action, uint Start, uint Count)> Calls { get; } = [];

    public SortedDictionary<ulong, (ulong Size, FileDescriptor? Buffer)> Mapped { get; } = [];

    public Queue<upu_invalidation> Records { get; } = [];

    /// <summary>The map that fails, counted from 0, and how.</summary>
    public (int Call, Errno Errno)? MapFails { get; set; }

    /// <summary>Without an IOMMU: where memory lies.</summary>
    public Func<ulong, ulong>? BusAddress { get; set; }

    public Queue<upu_event> Events { get; } = [];

    public List<(ulong Sequence, uint Answer)> Replies { get; } = [];

    public List<(uint Vector, ulong[] Cpus)> Affinities { get; } = [];

    public Errno? AffinityFails { get; set; }

    private int _maps;

    public upu_info GetInfo(out IReadOnlyList<upu_range> reserved)
    {
        reserved = [];
        return new() { api_version = LibC.UPU_API_VERSION };
    }

    public upu_bar GetBar(uint index, out IReadOnlyList<upu_bar_range> ranges)
    {
        ranges = [];
        return index == LibC.UPU_WINDOW_CONFIG ? new() { offset = ConfigOffset, size = (ulong)Config.Length } : default;
    }

    public ulong Map(ulong iova, ulong address, ulong size, uint flags, FileDescriptor? buffer = null)
    {
        Check();
        if (MapFails is { } fails && fails.Call == _maps++)
            throw new NativeException("UPU_DMA_MAP", fails.Errno);
        iova = BusAddress?.Invoke(address) ?? iova;
        Mapped.Add(iova, (size, buffer));
        return iova;
    }

    public ulong Unmap(ulong iova, ulong size)
    {
        Check();
        var inside = Mapped.Where(m => m.Key <= iova + size - 1 && iova <= m.Key + m.Value.Size - 1).ToArray();
        if (inside.Any(m => m.Key < iova || m.Key + m.Value.Size > iova + size))
            throw new NativeException("UPU_DMA_UNMAP", Errno.EINVAL);
        if (inside.Length == 0)
            throw new NativeException("UPU_DMA_UNMAP", Errno.ENOENT);
        foreach (var (start, _) in inside)
            Mapped.Remove(start);
        return inside.Aggregate(0UL, (sum, m) => sum + m.Value.Size);
    }

    public FileDescriptor Allocate(ulong size, bool huge, int node) => MemoryFile.Create("fake", (long)size);

    public IReadOnlyList<upu_invalidation> TakeInvalidations()
    {
        Check();
        upu_invalidation[] taken = [.. Records];
        Records.Clear();
        return taken;
    }

    public void SetIrqs(uint kind, uint action, uint start, uint count, uint maximum = 0, ReadOnlySpan<int> eventFds = default)
    {
        Check();
        Calls.Add((action, start, count));
        switch (action)
        {
            case LibC.UPU_IRQ_DISARM:
                Armed.Clear();
                (ArmedKind, Reserved) = (0, 0);
                break;
            case LibC.UPU_IRQ_ARM:
                uint needed = Armed.Count > 0 ? start + count : Dynamic ? start + count : Math.Max(maximum, start + count);
                if (needed > HostVectors || (Armed.Count > 0 && !Dynamic && needed > Reserved))
                    throw new NativeException("UPU_SET_IRQS", Errno.ENOSPC);
                Reserved = Math.Max(Reserved, needed);
                ArmedKind = kind;
                for (int i = 0; i < count; i++)
                {
                    if (eventFds[i] >= 0)
                        Armed[start + (uint)i] = eventFds[i];
                    else
                        Armed.Remove(start + (uint)i);
                }
                break;
            default:
                break;
        }
    }

    public void SetAffinity(uint vector, ReadOnlySpan<ulong> cpus)
    {
        Check();
        if (AffinityFails is { } errno)
            throw new NativeException("UPU_SET_AFFINITY", errno);
        Affinities.Add((vector, cpus.ToArray()));
    }

    public void SetEventFd(uint request, int eventFd, uint flags = 0) => Check();

    public upu_event? TakeEvent()
    {
        Check();
        return Events.TryDequeue(out var found) ? found : null;
    }

    public void Reply(ulong sequence, uint answer)
    {
        Check();
        Replies.Add((sequence, answer));
    }

    public void Reset() => Check();

    public ulong Read(ulong offset, int width)
    {
        Check();
        ulong value = 0;
        Config.AsSpan((int)(offset - ConfigOffset), width).CopyTo(System.Runtime.InteropServices.MemoryMarshal.AsBytes(new Span<ulong>(ref value)));
        return value;
    }

    public void Write(ulong offset, int width, ulong value)
    {
        Check();
        System.Runtime.InteropServices.MemoryMarshal.AsBytes(new Span<ulong>(ref value))[..width].CopyTo(Config.AsSpan((int)(offset - ConfigOffset)));
    }

    public void MapInto(MemoryMapping mapping, ulong mappingOffset, ulong size, bool writable, ulong offset) => throw new NotSupportedException();

    public void Dispose()
    {
    }

    private void Check()
    {
        if (Dead)
            throw new NativeException("ioctl", Errno.ENODEV);
    }
}
