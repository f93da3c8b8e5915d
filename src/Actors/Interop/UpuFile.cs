using System.Runtime.CompilerServices;

namespace Riser.Actors.Interop;

/// <summary>The calls on a function that uio_pci_user holds (kernel/uapi/uio_pci_user.h); replaced in specs.</summary>
internal interface IUpuDevice : IDeviceWindows
{
    /// <summary>UPU_GET_INFO.</summary>
    /// <param name="reserved">Bus addresses that cannot be mapped.</param>
    upu_info GetInfo(out IReadOnlyList<upu_range> reserved);

    /// <summary>UPU_GET_BAR.</summary>
    /// <param name="index">UPU_WINDOW_*.</param>
    /// <param name="ranges">What of it can be mapped.</param>
    upu_bar GetBar(uint index, out IReadOnlyList<upu_bar_range> ranges);

    /// <summary>UPU_DMA_MAP of memory by address, or of a <paramref name="buffer"/> at an offset.</summary>
    /// <param name="iova">0 without an IOMMU.</param>
    /// <param name="address">In this process, or the offset.</param>
    /// <param name="size">Bytes.</param>
    /// <param name="flags">UPU_DMA_READ, UPU_DMA_WRITE.</param>
    /// <param name="buffer">Of <see cref="Allocate"/>.</param>
    /// <returns>The IOVA; without an IOMMU the kernel says it.</returns>
    ulong Map(ulong iova, ulong address, ulong size, uint flags, FileDescriptor? buffer = null);

    /// <summary>UPU_DMA_UNMAP.</summary>
    /// <returns>How many bytes were unmapped.</returns>
    ulong Unmap(ulong iova, ulong size);

    /// <summary>UPU_DMA_ALLOC. The memory lives as long as its descriptor, its mappings and its place in any device.</summary>
    FileDescriptor Allocate(ulong size, bool huge, int node);

    /// <summary>UPU_GET_INVALIDATIONS; empty when none is waiting.</summary>
    IReadOnlyList<upu_invalidation> TakeInvalidations();

    /// <summary>UPU_SET_IRQS. <paramref name="eventFds"/> has <paramref name="count"/> descriptors with UPU_IRQ_ARM, else none.</summary>
    void SetIrqs(uint kind, uint action, uint start, uint count, uint maximum = 0, ReadOnlySpan<int> eventFds = default);

    /// <summary>UPU_SET_AFFINITY: a CPU mask of whole 8-byte words.</summary>
    void SetAffinity(uint vector, ReadOnlySpan<ulong> cpus);

    /// <summary>UPU_SET_ERR_EVENTFD, UPU_SET_REQ_EVENTFD or UPU_SET_INVALIDATION_EVENTFD; -1 for none.</summary>
    void SetEventFd(uint request, int eventFd, uint flags = 0);

    /// <summary>UPU_GET_EVENT; null when none is waiting.</summary>
    upu_event? TakeEvent();

    /// <summary>UPU_REPLY.</summary>
    void Reply(ulong sequence, uint answer);

    /// <summary>UPU_RESET.</summary>
    void Reset();
}

/// <summary>/dev/uio_pci_user/&lt;address&gt;: one PCI function, whole. Thread-safe.</summary>
internal sealed class UpuFile(int fd) : WindowFile(fd), IUpuDevice
{
    private const int Records = 64; // taken by one call

    public unsafe upu_info GetInfo(out IReadOnlyList<upu_range> reserved)
    {
        var found = new upu_range[16];
        while (true)
        {
            // SAFETY: the array is pinned for the call and its capacity is passed.
            fixed (upu_range* ranges = found)
            {
                var info = new upu_info { argsz = Size<upu_info>(), range_capacity = (uint)found.Length, ranges = (ulong)ranges };
                Call(LibC.UPU_GET_INFO, ref info);
                reserved = found.AsSpan(0, (int)Math.Min(info.range_count, (uint)found.Length)).ToArray();
                if (info.range_count <= found.Length)
                    return info;
                found = new upu_range[info.range_count];
            }
        }
    }

    public unsafe upu_bar GetBar(uint index, out IReadOnlyList<upu_bar_range> ranges)
    {
        var found = stackalloc upu_bar_range[8]; // a BAR without table and pending bits: three pieces at most
        var bar = new upu_bar { argsz = Size<upu_bar>(), index = index, range_capacity = 8, ranges = (ulong)found };
        Call(LibC.UPU_GET_BAR, ref bar);
        ranges = new ReadOnlySpan<upu_bar_range>(found, (int)Math.Min(bar.range_count, 8)).ToArray();
        return bar;
    }

    public ulong Map(ulong iova, ulong address, ulong size, uint flags, FileDescriptor? buffer = null)
    {
        bool held = false;
        try
        {
            buffer?.DangerousAddRef(ref held);
            var map = new upu_dma_map
            {
                argsz = Size<upu_dma_map>(),
                flags = flags | (buffer is null ? 0 : LibC.UPU_DMA_BUFFER),
                vaddr = address,
                size = size,
                iova = iova,
                fd = buffer?.Number ?? 0,
            };
            Call(LibC.UPU_DMA_MAP, ref map);
            return map.iova;
        }
        finally
        {
            if (held)
                buffer!.DangerousRelease();
        }
    }

    public ulong Unmap(ulong iova, ulong size)
    {
        var unmap = new upu_dma_unmap { argsz = Size<upu_dma_unmap>(), iova = iova, size = size };
        Call(LibC.UPU_DMA_UNMAP, ref unmap);
        return unmap.size;
    }

    public FileDescriptor Allocate(ulong size, bool huge, int node)
    {
        var alloc = new upu_dma_alloc { argsz = Size<upu_dma_alloc>(), flags = huge ? LibC.UPU_ALLOC_HUGE : 0, size = size, numa_node = node };
        Call(LibC.UPU_DMA_ALLOC, ref alloc);
        return new(alloc.fd);
    }

    public unsafe IReadOnlyList<upu_invalidation> TakeInvalidations()
    {
        List<upu_invalidation> taken = [];
        var records = stackalloc upu_invalidation[Records];
        while (true)
        {
            var get = new upu_get_invalidations { argsz = Size<upu_get_invalidations>(), capacity = Records, records = (ulong)records };
            try
            {
                Call(LibC.UPU_GET_INVALIDATIONS, ref get);
            }
            catch (NativeException none) when (none.Errno == Errno.EAGAIN)
            {
                return taken;
            }
            taken.AddRange(new ReadOnlySpan<upu_invalidation>(records, (int)Math.Min(get.count, Records)));
        }
    }

    public unsafe void SetIrqs(uint kind, uint action, uint start, uint count, uint maximum = 0, ReadOnlySpan<int> eventFds = default)
    {
        // SAFETY: the span is pinned for the call; the kernel reads count descriptors, which the caller has put there.
        fixed (int* fds = eventFds)
        {
            var set = new upu_set_irqs { argsz = Size<upu_set_irqs>(), kind = kind, action = action, start = start, count = count, maximum = maximum, fds = (ulong)fds };
            Call(LibC.UPU_SET_IRQS, ref set);
        }
    }

    public unsafe void SetAffinity(uint vector, ReadOnlySpan<ulong> cpus)
    {
        // SAFETY: the span is pinned for the call and its length in bytes is passed.
        fixed (ulong* mask = cpus)
        {
            var affinity = new upu_affinity { argsz = Size<upu_affinity>(), vector = vector, mask_size = (uint)cpus.Length * sizeof(ulong), mask = (ulong)mask };
            Call(LibC.UPU_SET_AFFINITY, ref affinity);
        }
    }

    public void SetEventFd(uint request, int eventFd, uint flags = 0)
    {
        var set = new upu_set_eventfd { argsz = Size<upu_set_eventfd>(), flags = flags, fd = eventFd };
        Call(request, ref set, "UPU_SET_EVENTFD");
    }

    public upu_event? TakeEvent()
    {
        var taken = new upu_event { argsz = Size<upu_event>() };
        try
        {
            Call(LibC.UPU_GET_EVENT, ref taken);
            return taken;
        }
        catch (NativeException none) when (none.Errno == Errno.EAGAIN)
        {
            return null;
        }
    }

    public void Reply(ulong sequence, uint answer)
    {
        var reply = new upu_reply { argsz = Size<upu_reply>(), sequence = sequence, answer = answer };
        Call(LibC.UPU_REPLY, ref reply);
    }

    public void Reset()
    {
        var plain = new upu_plain { argsz = Size<upu_plain>() };
        Call(LibC.UPU_RESET, ref plain);
    }

    private static uint Size<T>()
        where T : unmanaged => (uint)Unsafe.SizeOf<T>();
}
