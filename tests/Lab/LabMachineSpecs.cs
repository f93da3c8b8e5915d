using System.Net.NetworkInformation;

namespace Riser.Lab;

/// <summary>What every other lab spec stands on: the machine is the one that the README describes.</summary>
public sealed class LabMachineSpecs
{
    public static TheoryData<string, string, string> Devices => new()
    {
        { "LAB_EDU", "0x1234", "0x11e8" },
        { "LAB_NVME", "0x1b36", "0x0010" },
        { "LAB_IGB", "0x8086", "0x10c9" },
        { "LAB_IVSHMEM", "0x1af4", "0x1110" },
        { "LAB_TESTDEV", "0x1b36", "0x0005" },
        { "LAB_SHARED_A", "0x1234", "0x11e8" },
        { "LAB_SHARED_B", "0x1234", "0x11e8" },
    };

    public static TheoryData<string> OwnGroup => new("LAB_EDU", "LAB_NVME", "LAB_IGB", "LAB_IVSHMEM", "LAB_TESTDEV");

    [LabTheory, MemberData(nameof(Devices))]
    public void Device_is_the_documented_one(string variable, string vendor, string device)
    {
        Assert.Equal(vendor, File.ReadAllText($"{LabMachine.Sysfs(variable)}/vendor").Trim());
        Assert.Equal(device, File.ReadAllText($"{LabMachine.Sysfs(variable)}/device").Trim());
    }

    [LabTheory(NeedsIommu = true), MemberData(nameof(OwnGroup))]
    public void Device_is_bound_to_vfio_pci_and_alone_in_its_group(string variable)
    {
        Assert.Equal("vfio-pci", LabMachine.Driver(variable));
        Assert.Equal([LabMachine.Variable(variable)], Functions(LabMachine.IommuGroup(variable)));
    }

    [LabTheory(NeedsIommu = true), MemberData(nameof(OwnGroup))]
    public void Group_of_a_device_opens(string variable)
    {
        using var group = File.OpenHandle($"/dev/vfio/{LabMachine.IommuGroup(variable)}", FileMode.Open, FileAccess.ReadWrite);

        Assert.False(group.IsInvalid);
    }

    [LabFact(NeedsIommu = true)]
    public void Two_functions_share_a_group_when_one_is_with_another_driver()
    {
        Assert.Equal("vfio-pci", LabMachine.Driver("LAB_SHARED_A"));
        Assert.Equal("uio_pci_generic", LabMachine.Driver("LAB_SHARED_B"));
        Assert.Equal(
            [LabMachine.Variable("LAB_SHARED_A"), LabMachine.Variable("LAB_SHARED_B")],
            Functions(LabMachine.IommuGroup("LAB_SHARED_A")));
    }

    [LabFact]
    public void Device_has_no_group_when_the_machine_has_no_iommu() =>
        Assert.Equal(LabMachine.Variable("LAB_IOMMU") == "1", LabMachine.IommuGroup("LAB_EDU") is not null);

    [LabFact]
    public void Loopback_is_up() => Assert.Contains(
        NetworkInterface.GetAllNetworkInterfaces(),
        each => each.NetworkInterfaceType == NetworkInterfaceType.Loopback && each.OperationalStatus != OperationalStatus.Down);

    [LabFact]
    public void Huge_pages_are_set_aside() => Assert.NotEqual("0", File.ReadAllText("/proc/sys/vm/nr_hugepages").Trim());

    [LabFact]
    public async Task Out_share_is_writable()
    {
        var path = Path.Combine(LabMachine.Variable("LAB_OUT"), $"spec-{Guid.NewGuid():N}");

        await File.WriteAllTextAsync(path, "out");

        Assert.Equal("out", await File.ReadAllTextAsync(path));
        File.Delete(path);
    }

    [LabFact]
    public Task Doorbell_answers_when_it_has_rung_a_vector() => LabPort.Ring(vector: 1, count: 3);

    [LabFact]
    public async Task Monitor_answers_a_command() =>
        Assert.Contains("running", await LabPort.Monitor("info status"), StringComparison.Ordinal);

    private static string[] Functions(string? group) =>
        [.. Directory.EnumerateFileSystemEntries($"/sys/kernel/iommu_groups/{group}/devices").Select(path => Path.GetFileName(path)).Order()];
}
