using System.Runtime.InteropServices;

namespace Riser.Actors.Interop;

/// <summary>linux/vfio.h: the type1 container, the group and the PCI device.</summary>
internal static partial class LibC
{
    public const int VFIO_API_VERSION = 0;
    public const int VFIO_TYPE1v2_IOMMU = 3;

    private const uint VfioBase = (';' << 8) + 100; // _IO(VFIO_TYPE, VFIO_BASE): no size and no direction

    public const uint VFIO_GET_API_VERSION = VfioBase;
    public const uint VFIO_CHECK_EXTENSION = VfioBase + 1;
    public const uint VFIO_SET_IOMMU = VfioBase + 2;
    public const uint VFIO_GROUP_GET_STATUS = VfioBase + 3;
    public const uint VFIO_GROUP_SET_CONTAINER = VfioBase + 4;
    public const uint VFIO_GROUP_GET_DEVICE_FD = VfioBase + 6;
    public const uint VFIO_DEVICE_GET_INFO = VfioBase + 7;
    public const uint VFIO_DEVICE_GET_REGION_INFO = VfioBase + 8;
    public const uint VFIO_DEVICE_GET_IRQ_INFO = VfioBase + 9;
    public const uint VFIO_DEVICE_SET_IRQS = VfioBase + 10;
    public const uint VFIO_DEVICE_RESET = VfioBase + 11;
    public const uint VFIO_DEVICE_GET_PCI_HOT_RESET_INFO = VfioBase + 12;
    public const uint VFIO_DEVICE_PCI_HOT_RESET = VfioBase + 13;
    public const uint VFIO_IOMMU_GET_INFO = VfioBase + 12;
    public const uint VFIO_IOMMU_MAP_DMA = VfioBase + 13;
    public const uint VFIO_IOMMU_UNMAP_DMA = VfioBase + 14;

    public const uint VFIO_GROUP_FLAGS_VIABLE = 1 << 0;
    public const uint VFIO_GROUP_FLAGS_CONTAINER_SET = 1 << 1;

    public const uint VFIO_DEVICE_FLAGS_RESET = 1 << 0;
    public const uint VFIO_DEVICE_FLAGS_PCI = 1 << 1;

    public const uint VFIO_REGION_INFO_FLAG_READ = 1 << 0;
    public const uint VFIO_REGION_INFO_FLAG_WRITE = 1 << 1;
    public const uint VFIO_REGION_INFO_FLAG_MMAP = 1 << 2;
    public const uint VFIO_REGION_INFO_FLAG_CAPS = 1 << 3;
    public const ushort VFIO_REGION_INFO_CAP_SPARSE_MMAP = 1;

    public const uint VFIO_IRQ_INFO_EVENTFD = 1 << 0;
    public const uint VFIO_IRQ_INFO_MASKABLE = 1 << 1;
    public const uint VFIO_IRQ_INFO_AUTOMASKED = 1 << 2;
    public const uint VFIO_IRQ_INFO_NORESIZE = 1 << 3;

    public const uint VFIO_IRQ_SET_DATA_NONE = 1 << 0;
    public const uint VFIO_IRQ_SET_DATA_EVENTFD = 1 << 2;
    public const uint VFIO_IRQ_SET_ACTION_MASK = 1 << 3;
    public const uint VFIO_IRQ_SET_ACTION_UNMASK = 1 << 4;
    public const uint VFIO_IRQ_SET_ACTION_TRIGGER = 1 << 5;

    public const uint VFIO_PCI_ROM_REGION_INDEX = 6;
    public const uint VFIO_PCI_CONFIG_REGION_INDEX = 7;

    public const uint VFIO_PCI_INTX_IRQ_INDEX = 0;
    public const uint VFIO_PCI_MSI_IRQ_INDEX = 1;
    public const uint VFIO_PCI_MSIX_IRQ_INDEX = 2;
    public const uint VFIO_PCI_ERR_IRQ_INDEX = 3;
    public const uint VFIO_PCI_REQ_IRQ_INDEX = 4;

    public const uint VFIO_IOMMU_INFO_PGSIZES = 1 << 0;
    public const uint VFIO_IOMMU_INFO_CAPS = 1 << 1;
    public const ushort VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE = 1;
    public const ushort VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL = 3;

    public const uint VFIO_DMA_MAP_FLAG_READ = 1 << 0;
    public const uint VFIO_DMA_MAP_FLAG_WRITE = 1 << 1;
}

/// <summary>struct vfio_info_cap_header</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_info_cap_header
{
    public ushort id;
    public ushort version;
    public uint next;
}

/// <summary>struct vfio_group_status</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_group_status
{
    public uint argsz;
    public uint flags;
}

/// <summary>struct vfio_device_info</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_device_info
{
    public uint argsz;
    public uint flags;
    public uint num_regions;
    public uint num_irqs;
    public uint cap_offset;
}

/// <summary>struct vfio_region_info</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_region_info
{
    public uint argsz;
    public uint flags;
    public uint index;
    public uint cap_offset;
    public ulong size;
    public ulong offset;
}

/// <summary>struct vfio_region_info_cap_sparse_mmap, without its areas.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_region_info_cap_sparse_mmap
{
    public vfio_info_cap_header header;
    public uint nr_areas;
    public uint reserved;
}

/// <summary>struct vfio_region_sparse_mmap_area</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_region_sparse_mmap_area
{
    public ulong offset;
    public ulong size;
}

/// <summary>struct vfio_irq_info</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_irq_info
{
    public uint argsz;
    public uint flags;
    public uint index;
    public uint count;
}

/// <summary>struct vfio_irq_set, without its data.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_irq_set
{
    public uint argsz;
    public uint flags;
    public uint index;
    public uint start;
    public uint count;
}

/// <summary>struct vfio_pci_dependent_device</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_pci_dependent_device
{
    public uint group_id;
    public ushort segment;
    public byte bus;
    public byte devfn;

    /// <summary>As sysfs writes it.</summary>
    public readonly string Address => $"{segment:x4}:{bus:x2}:{devfn >> 3:x2}.{devfn & 7}";
}

/// <summary>struct vfio_pci_hot_reset_info, and struct vfio_pci_hot_reset, without what follows the count.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_pci_hot_reset
{
    public uint argsz;
    public uint flags;
    public uint count;
}

/// <summary>struct vfio_iommu_type1_info</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_iommu_type1_info
{
    public uint argsz;
    public uint flags;
    public ulong iova_pgsizes;
    public uint cap_offset;
}

/// <summary>struct vfio_iommu_type1_info_cap_iova_range, without its ranges.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_iommu_type1_info_cap_iova_range
{
    public vfio_info_cap_header header;
    public uint nr_iovas;
    public uint reserved;
}

/// <summary>struct vfio_iova_range; <see cref="end"/> is the last byte.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_iova_range
{
    public ulong start;
    public ulong end;
}

/// <summary>struct vfio_iommu_type1_info_dma_avail</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_iommu_type1_info_dma_avail
{
    public vfio_info_cap_header header;
    public uint avail;
}

/// <summary>struct vfio_iommu_type1_dma_map</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_iommu_type1_dma_map
{
    public uint argsz;
    public uint flags;
    public ulong vaddr;
    public ulong iova;
    public ulong size;
}

/// <summary>struct vfio_iommu_type1_dma_unmap, without its data.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vfio_iommu_type1_dma_unmap
{
    public uint argsz;
    public uint flags;
    public ulong iova;
    public ulong size;
}
