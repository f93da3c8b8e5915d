using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>kernel/uapi/uio_pci_user.h of this project: one PCI function through one file.</summary>
internal static partial class LibC
{
    public const uint UPU_API_VERSION = 1;

    public const uint UPU_WINDOW_ROM = 6;
    public const uint UPU_WINDOW_CONFIG = 7;

    private const uint UpuBase = 0xB7 << 8; // _IO(UPU_IOCTL_TYPE, 0): no size and no direction

    public const uint UPU_GET_INFO = UpuBase;
    public const uint UPU_GET_BAR = UpuBase + 1;
    public const uint UPU_DMA_MAP = UpuBase + 2;
    public const uint UPU_DMA_UNMAP = UpuBase + 3;
    public const uint UPU_DMA_ALLOC = UpuBase + 4;
    public const uint UPU_GET_INVALIDATIONS = UpuBase + 5;
    public const uint UPU_SET_IRQS = UpuBase + 6;
    public const uint UPU_SET_AFFINITY = UpuBase + 7;
    public const uint UPU_SET_ERR_EVENTFD = UpuBase + 9;
    public const uint UPU_SET_REQ_EVENTFD = UpuBase + 10;
    public const uint UPU_SET_INVALIDATION_EVENTFD = UpuBase + 11;
    public const uint UPU_GET_EVENT = UpuBase + 12;
    public const uint UPU_REPLY = UpuBase + 13;
    public const uint UPU_RESET = UpuBase + 14;

    public const uint UPU_INFO_IOMMU = 1 << 0;
    public const uint UPU_INFO_MSIX_DYNAMIC = 1 << 3;

    public const uint UPU_BAR_READ = 1 << 0;
    public const uint UPU_BAR_WRITE = 1 << 1;

    public const uint UPU_DMA_READ = 1 << 0;
    public const uint UPU_DMA_WRITE = 1 << 1;
    public const uint UPU_DMA_BUFFER = 1 << 2;

    public const uint UPU_ALLOC_HUGE = 1 << 0;

    public const uint UPU_CAUSE_UNMAPPED = 1;
    public const uint UPU_CAUSE_EXITED = 2;
    public const uint UPU_CAUSE_DROPPED = 3;

    public const uint UPU_INVALIDATION_MERGED = 1 << 0;
    public const uint UPU_INVALIDATION_PINNED = 1 << 1;

    public const uint UPU_IRQ_INTX = 1;
    public const uint UPU_IRQ_MSI = 2;
    public const uint UPU_IRQ_MSIX = 3;

    public const uint UPU_IRQ_ARM = 1;
    public const uint UPU_IRQ_DISARM = 2;
    public const uint UPU_IRQ_MASK = 3;
    public const uint UPU_IRQ_UNMASK = 4;
    public const uint UPU_IRQ_TRIGGER = 5;

    public const int UPU_IRQ_FD_NONE = -1;

    public const uint UPU_REQ_SPARE_BARS = 1 << 0;

    public const uint UPU_EVENT_LOST = 1 << 0; // a flag: older events were dropped unread
    public const uint UPU_EVENT_ERROR = 1;
    public const uint UPU_EVENT_MMIO_ENABLED = 2;
    public const uint UPU_EVENT_SLOT_RESET = 3;
    public const uint UPU_EVENT_RESUME = 4;
    public const uint UPU_EVENT_SUSPEND = 5;
    public const uint UPU_EVENT_RESUMED = 6;
    public const uint UPU_EVENT_REMOVE = 7;
    public const uint UPU_EVENT_RESET = 8;

    public const uint UPU_STATE_NORMAL = 1;
    public const uint UPU_STATE_FROZEN = 2;
    public const uint UPU_STATE_DEAD = 3;

    public const uint UPU_REPLY_RECOVERED = 1;
    public const uint UPU_REPLY_CAN_RECOVER = 2;
    public const uint UPU_REPLY_NEED_RESET = 3;
    public const uint UPU_REPLY_DISCONNECT = 4;
}

/// <summary>struct upu_range: a closed range of bus addresses.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_range
{
    public ulong start;
    public ulong last;
}

/// <summary>struct upu_info</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_info
{
    public uint argsz;
    public uint flags;
    public uint api_version;
    public uint intx;
    public uint msi;
    public uint msix;
    public uint reset_kinds;
    public int group;
    public uint group_devices;
    public int numa_node;
    public ulong page_sizes;
    public ulong aperture_start;
    public ulong aperture_last;
    public ulong locked_limit;
    public ulong locked;
    public ulong pinned;
    public uint dma_maximum;
    public uint dma_count;
    public uint range_capacity;
    public uint range_count;
    public ulong ranges;
}

/// <summary>struct upu_bar_range</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_bar_range
{
    public ulong offset;
    public ulong size;
}

/// <summary>struct upu_bar</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_bar
{
    public uint argsz;
    public uint flags;
    public uint index;
    public uint range_capacity;
    public uint range_count;
    public uint reserved;
    public ulong size;
    public ulong offset;
    public ulong ranges;
}

/// <summary>struct upu_dma_map</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_dma_map
{
    public uint argsz;
    public uint flags;
    public ulong vaddr;
    public ulong size;
    public ulong iova;
    public uint address_bits;
    public int fd;
}

/// <summary>struct upu_dma_unmap</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_dma_unmap
{
    public uint argsz;
    public uint flags;
    public ulong iova;
    public ulong size;
}

/// <summary>struct upu_dma_alloc</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_dma_alloc
{
    public uint argsz;
    public uint flags;
    public ulong size;
    public int numa_node;
    public int fd;
}

/// <summary>struct upu_invalidation</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_invalidation
{
    public ulong iova;
    public ulong size;
    public ulong vaddr;
    public ulong sequence;
    public uint cause;
    public uint flags;
}

/// <summary>struct upu_get_invalidations</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_get_invalidations
{
    public uint argsz;
    public uint flags;
    public uint capacity;
    public uint count;
    public ulong records;
}

/// <summary>struct upu_set_irqs</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_set_irqs
{
    public uint argsz;
    public uint flags;
    public uint kind;
    public uint action;
    public uint start;
    public uint count;
    public uint maximum;
    public uint reserved;
    public ulong fds;
}

/// <summary>struct upu_affinity</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_affinity
{
    public uint argsz;
    public uint flags;
    public uint vector;
    public uint mask_size;
    public ulong mask;
}

/// <summary>struct upu_set_eventfd</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_set_eventfd
{
    public uint argsz;
    public uint flags;
    public int fd;
    public uint reserved;
}

/// <summary>struct upu_event</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_event
{
    public uint argsz;
    public uint flags;
    public uint kind;
    public uint state;
    public ulong sequence;
    public uint deadline_ms;
    public uint reserved;
}

/// <summary>struct upu_reply</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_reply
{
    public uint argsz;
    public uint flags;
    public ulong sequence;
    public uint answer;
    public uint reserved;
}

/// <summary>struct upu_plain</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct upu_plain
{
    public uint argsz;
    public uint flags;
}
