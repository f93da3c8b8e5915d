using System.Runtime.CompilerServices;

namespace Riser.Actors.Interop;

/// <summary>The calls on an IOMMU container; replaced in specs.</summary>
internal interface IVfioContainer : IDisposable
{
    /// <summary>struct vfio_iommu_type1_info and its capabilities.</summary>
    byte[] GetInfo();

    void Map(ulong iova, ulong address, ulong size, uint flags);

    /// <returns>How many bytes the kernel unmapped.</returns>
    ulong Unmap(ulong iova, ulong size);
}

/// <summary>/dev/vfio/vfio: one IOMMU address space.</summary>
internal sealed class VfioContainerFile : NodeFile, IVfioContainer
{
    private VfioContainerFile(int fd)
        : base(fd)
    {
    }

    /// <summary>Takes a descriptor over that somebody else has opened.</summary>
    public VfioContainerFile(FileDescriptor passed)
        : base(passed.Release())
    {
    }

    public static VfioContainerFile Open(string path) => new(OpenNode(path));

    public int ApiVersion => Call(LibC.VFIO_GET_API_VERSION, 0);

    public bool Has(int extension) => Call(LibC.VFIO_CHECK_EXTENSION, extension) > 0;

    public void SetIommu(int type) => Call(LibC.VFIO_SET_IOMMU, type);

    public byte[] GetInfo() => Ask(LibC.VFIO_IOMMU_GET_INFO, default(vfio_iommu_type1_info));

    public void Map(ulong iova, ulong address, ulong size, uint flags)
    {
        var map = new vfio_iommu_type1_dma_map
        {
            argsz = (uint)Unsafe.SizeOf<vfio_iommu_type1_dma_map>(),
            flags = flags,
            vaddr = address,
            iova = iova,
            size = size,
        };
        Call(LibC.VFIO_IOMMU_MAP_DMA, ref map);
    }

    public ulong Unmap(ulong iova, ulong size)
    {
        var unmap = new vfio_iommu_type1_dma_unmap { argsz = (uint)Unsafe.SizeOf<vfio_iommu_type1_dma_unmap>(), iova = iova, size = size };
        Call(LibC.VFIO_IOMMU_UNMAP_DMA, ref unmap);
        return unmap.size;
    }
}

/// <summary>/dev/vfio/&lt;group&gt;: the functions that the IOMMU cannot tell apart. One program can have it open.</summary>
internal sealed class VfioGroupFile : NodeFile
{
    private VfioGroupFile(int fd)
        : base(fd)
    {
    }

    /// <summary>Takes a descriptor over that somebody else has opened.</summary>
    public VfioGroupFile(FileDescriptor passed)
        : base(passed.Release())
    {
    }

    public static VfioGroupFile Open(string path) => new(OpenNode(path));

    public bool IsViable
    {
        get
        {
            var status = new vfio_group_status { argsz = (uint)Unsafe.SizeOf<vfio_group_status>() };
            Call(LibC.VFIO_GROUP_GET_STATUS, ref status);
            return (status.flags & LibC.VFIO_GROUP_FLAGS_VIABLE) != 0;
        }
    }

    public void SetContainer(VfioContainerFile container)
    {
        int fd = container.Number;
        Call(LibC.VFIO_GROUP_SET_CONTAINER, ref fd);
    }

    public VfioDeviceFile OpenDevice(string address) =>
        new(Call(LibC.VFIO_GROUP_GET_DEVICE_FD, [.. System.Text.Encoding.ASCII.GetBytes(address), 0]));
}
