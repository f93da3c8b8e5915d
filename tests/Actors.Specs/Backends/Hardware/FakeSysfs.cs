namespace Riser.Actors.Specs.Backends.Hardware;

/// <summary>A sysfs tree and device nodes of a spec's own, in a folder that goes with it.</summary>
internal sealed class FakeSysfs : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("riser-sysfs-");

    public string Root => _folder.FullName;

    public string Nodes => Directory.CreateDirectory(Path.Combine(Root, "nodes")).FullName;

    public Akka.Configuration.Config Config => Akka.Configuration.ConfigurationFactory.ParseString(
        $"sysfs = \"{Root}\"\nnodes = \"{Nodes}\"\nhot-plug {{ source = poll, poll-interval = 20ms }}");

    public FakeSysfs Add(string address, string? driver = "vfio-pci", string? group = "7", string vendor = "0x1234", string device = "0x11e8", string classCode = "0x00ff00")
    {
        string path = Directory.CreateDirectory(Path.Combine(Root, "devices/pci0000:00", address)).FullName;
        File.WriteAllText(Path.Combine(path, "vendor"), vendor + "\n");
        File.WriteAllText(Path.Combine(path, "device"), device + "\n");
        File.WriteAllText(Path.Combine(path, "class"), classCode + "\n");
        if (group is not null)
        {
            string members = Directory.CreateDirectory(Path.Combine(Root, "kernel/iommu_groups", group, "devices")).FullName;
            File.CreateSymbolicLink(Path.Combine(members, address), path);
            File.CreateSymbolicLink(Path.Combine(path, "iommu_group"), $"../../../kernel/iommu_groups/{group}");
        }

        if (driver is not null)
            File.CreateSymbolicLink(Path.Combine(path, "driver"), $"../../../bus/pci/drivers/{driver}");
        if (driver is not null)
            Directory.CreateDirectory(Path.Combine(Root, "bus/pci/drivers", driver));
        Directory.CreateDirectory(Path.Combine(Root, "bus/pci/devices"));
        File.CreateSymbolicLink(Path.Combine(Root, "bus/pci/devices", address), path);
        return this;
    }

    public void Parameter(string module, string name, string value) =>
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(Root, "module", module, "parameters")).FullName, name), value + "\n");

    /// <summary>A device node that opens as a file.</summary>
    public void Node(string name) => File.WriteAllText(Path.Combine(Nodes, name), "");

    /// <summary>Unbinds it from its driver and binds it again, both between two looks.</summary>
    public void BindAnew(string address)
    {
        string link = Path.Combine(Root, "bus/pci/devices", address, "driver");
        File.CreateSymbolicLink(link + ".next", new FileInfo(link).LinkTarget!); // while the former is there: a file system may give its number away at once
        Assert.Equal(0, Mono.Unix.Native.Stdlib.rename(link + ".next", link));
    }

    public void Remove(string address)
    {
        File.Delete(Path.Combine(Root, "bus/pci/devices", address));
        Directory.Delete(Path.Combine(Root, "devices/pci0000:00", address), recursive: true);
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
