using System.Net.NetworkInformation;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Specs.Backends.Hardware;
using Riser.Host.Broker;

namespace Riser.Host.Specs.Broker;

/// <summary>What counts as a use of a function, on trees as the kernel shows them. The lab has the kernel itself.</summary>
public sealed class UsesSpecs : IDisposable
{
    private const string Address = "0000:01:00.0";

    private readonly FakeSysfs _machine = new();

    public UsesSpecs()
    {
        File.WriteAllText(In("proc/swaps", make: true), "Filename\tType\tSize\tUsed\tPriority\n");
        File.WriteAllText(In("proc/self/mountinfo", make: true), "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
        Directory.CreateDirectory(In("dev"));
    }

    public void Dispose() => _machine.Dispose();

    [Theory]
    [InlineData("0x1003", "1", "its network interface spec0 is up")]
    [InlineData("0x1002", "1", "its network interface spec0 has a carrier")]
    public void A_network_interface_is_used_when_it_is_up_or_has_a_carrier(string flags, string carrier, string use)
    {
        Interface("spec0", flags, carrier);

        Assert.Equal([use], Find());
    }

    [Fact]
    public void A_network_interface_is_used_when_it_has_an_address() =>
        Assert.Contains("127.0.0.1", Assert.Single(Found(() => Interface(Loopback, "0x1002", ""))), StringComparison.Ordinal);

    [Fact]
    public void A_network_interface_is_used_when_it_is_part_of_another()
    {
        string path = Interface("spec0", "0x1002", "");
        Directory.CreateDirectory(In("devices/virtual/net/bond0"));
        File.CreateSymbolicLink(Path.Combine(path, "master"), In("devices/virtual/net/bond0"));

        Assert.Equal(["its network interface spec0 is part of bond0"], Find());
    }

    [Fact]
    public void A_network_interface_that_is_down_is_no_use()
    {
        Interface("spec0", "0x1002", "");

        Assert.Empty(Find());
    }

    [Theory]
    [InlineData("e1000e", true)]
    [InlineData("vfio-pci", false)]
    [InlineData(null, false)]
    public void A_network_card_whose_interface_cannot_be_seen_counts_as_used(string? driver, bool used)
    {
        _machine.Add(Address, driver, classCode: "0x020000");

        Assert.Equal(used, Find().Any(u => u.Contains("another network namespace", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_disk_is_used_when_a_partition_of_it_is_mounted_or_swap_or_part_of_another()
    {
        string disk = Disk($"devices/pci0000:00/{Address}/nvme/nvme7/nvme7n1", "259:0");
        Disk($"devices/pci0000:00/{Address}/nvme/nvme7/nvme7n1/nvme7n1p1", "259:1");
        Disk($"devices/pci0000:00/{Address}/nvme/nvme7/nvme7n1/nvme7n1p2", "259:2");
        Directory.CreateDirectory(Path.Combine(disk, "holders/dm-3"));
        File.AppendAllText(In("proc/self/mountinfo"), "99 21 259:1 / /srv rw shared:1 - ext4 /dev/nvme7n1p1 rw\n");
        File.AppendAllText(In("proc/swaps"), "/dev/nvme7n1p2 partition 1 0 -2\n");

        Assert.Equal(["its disk nvme7n1 is part of dm-3", "its disk nvme7n1p1 is mounted at /srv", "its disk nvme7n1p2 is swap"], Find());
    }

    [Fact]
    public void A_disk_of_an_NVMe_subsystem_belongs_to_its_controllers()
    {
        Disk("devices/virtual/nvme-subsystem/nvme-subsys7/nvme7n1", "259:9");
        string subsystem = In("devices/virtual/nvme-subsystem/nvme-subsys7");
        string controller = Directory.CreateDirectory(In($"devices/pci0000:00/{Address}/nvme/nvme7")).FullName;
        File.CreateSymbolicLink(Path.Combine(subsystem, "nvme7"), controller);
        Directory.CreateDirectory(In("class/nvme-subsystem"));
        File.CreateSymbolicLink(In("class/nvme-subsystem/nvme-subsys7"), subsystem);
        File.AppendAllText(In("proc/self/mountinfo"), "99 21 259:9 / /srv rw - ext4 /dev/nvme7n1 rw\n");

        Assert.Equal(["its disk nvme7n1 is mounted at /srv"], Find());
    }

    [Fact]
    public void A_disk_is_used_when_a_process_has_it_open()
    {
        Disk($"devices/pci0000:00/{Address}/host0/target0/block/sdx", "8:99");
        Directory.CreateDirectory(In("proc/4242/fd"));
        File.CreateSymbolicLink(In("proc/4242/fd/3"), "/dev/sdx");

        Assert.Equal(["its disk sdx is open in process 4242"], Find());
    }

    [Fact]
    public void A_disk_of_another_function_is_no_use()
    {
        Disk("devices/pci0000:00/0000:09:00.0/nvme/nvme8/nvme8n1", "259:3");
        File.AppendAllText(In("proc/self/mountinfo"), "99 21 259:3 / /srv rw - ext4 /dev/nvme8n1 rw\n");

        Assert.Empty(Find());
    }

    private static string Loopback => NetworkInterface.GetAllNetworkInterfaces().First(i => i.NetworkInterfaceType == NetworkInterfaceType.Loopback).Name;

    private IReadOnlyList<string> Found(Action prepare)
    {
        prepare();
        return Find();
    }

    private IReadOnlyList<string> Find()
    {
        if (!Directory.Exists(In($"bus/pci/devices/{Address}")))
            _machine.Add(Address, "ahci");
        return new Uses(_machine.Root, In("proc"), In("dev")).Of(new PciSysfs(_machine.Root).Find(Address)!);
    }

    private string Interface(string name, string flags, string carrier)
    {
        string path = Directory.CreateDirectory(In($"devices/pci0000:00/{Address}/net/{name}")).FullName;
        File.WriteAllText(Path.Combine(path, "flags"), flags + "\n");
        File.WriteAllText(Path.Combine(path, "carrier"), carrier + "\n");
        Directory.CreateDirectory(In("class/net"));
        File.CreateSymbolicLink(In($"class/net/{name}"), path);
        return path;
    }

    private string Disk(string path, string number)
    {
        path = Directory.CreateDirectory(In(path)).FullName;
        File.WriteAllText(Path.Combine(path, "dev"), number + "\n");
        Directory.CreateDirectory(In("class/block"));
        File.CreateSymbolicLink(In($"class/block/{Path.GetFileName(path)}"), path);
        return path;
    }

    private string In(string path, bool make = false)
    {
        path = Path.Combine(_machine.Root, path);
        if (make)
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return path;
    }
}
