using Mono.Unix.Native;
using Riser.Actors.Backends;
using Riser.Actors.Interop;

namespace Riser.Host.Broker;

/// <summary>What the broker does with device nodes. Blocks; thread-safe.</summary>
internal sealed class DeviceNodes(string vfioNodes, Processes processes)
{
    /// <summary>Opens a node, for somebody else.</summary>
    /// <exception cref="PciException">EBUSY: some process has it; ENOENT, ENODEV: it is not there.</exception>
    public IReadOnlyList<FileDescriptor> Open(Target target, bool container)
    {
        List<FileDescriptor> descriptors = [OpenNode(target.Node, target)];
        try
        {
            if (container && target.Device.Backend == Target.Vfio)
                descriptors.Add(OpenNode(Path.Combine(vfioNodes, "vfio"), target));
            return descriptors;
        }
        catch
        {
            descriptors.ForEach(d => d.Dispose());
            throw;
        }
    }

    /// <summary>Whether nobody has a node open. The kernel opens a VFIO group once, and with it whatever was opened through it.</summary>
    /// <returns>Null: nobody has it, or it is gone; EBUSY: somebody has; anything else: it cannot be told, and so is not free.</returns>
    public static Errno? Obstacle(Target target)
    {
        int fd = Syscall.open(target.Node, OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC);
        if (fd >= 0)
        {
            LibC.close(fd);
            return null;
        }
        return Stdlib.GetLastError() is not (Errno.ENOENT or Errno.ENODEV or Errno.ENXIO) and var errno ? errno : null;
    }

    /// <summary>Takes a uio device from whoever has it.</summary>
    /// <returns>What went wrong; null when nobody has it any more.</returns>
    public static string? Revoke(Target target)
    {
        try
        {
            using var control = UpuControlFile.Open(target.Node);
            control.Revoke();
            return null;
        }
        catch (NativeException fault)
        {
            return fault.Errno is Errno.ENOENT or Errno.ENODEV or Errno.ENXIO ? null : fault.Message; // a device that is gone is nobody's
        }
    }

    private FileDescriptor OpenNode(string node, Target target)
    {
        int fd = Syscall.open(node, OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC);
        if (fd >= 0)
            return new(fd);
        var errno = Stdlib.GetLastError();
        throw errno switch
        {
            Errno.EBUSY => new PciException(errno, $"{target} is held by another program: {node} is open in {Holders(node)}", "End that program first."),
            Errno.ENOENT or Errno.ENODEV or Errno.ENXIO => new PciException(Errno.ENODEV, $"{node} is not there", "Bind all functions of its IOMMU group to vfio-pci or to no driver."),
            _ => new PciException(errno, $"The broker cannot open {node}", "It runs as root, where it may; its log says more."),
        };
    }

    private string Holders(string node) => processes.With(node) is { Count: > 0 } holders ? $"process {Processes.Named(holders)}" : "a process that cannot be seen from here";
}
