using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Specs.Backends.Hardware;
using Riser.Host.Broker;
using static Riser.Host.Specs.Broker.BrokerExample;

namespace Riser.Host.Specs.Broker;

/// <summary>What is written to sysfs, and what is refused before that; drivers that answer are in the lab.</summary>
public sealed class BindingSpecs : IDisposable
{
    private readonly FakeSysfs _machine = new();

    public BindingSpecs()
    {
        foreach (string driver in (string[])["vfio-pci", "e1000e", "snd"])
        {
            string path = Directory.CreateDirectory(Path.Combine(_machine.Root, "bus/pci/drivers", driver)).FullName;
            File.WriteAllText(Path.Combine(path, "bind"), "");
            File.WriteAllText(Path.Combine(path, "unbind"), "");
        }
        Directory.CreateDirectory(Path.Combine(_machine.Root, "proc"));
        Add("0000:01:00.0", "snd", "1");
        Add("0000:02:00.0", "snd", "2");
        Add("0000:02:00.1", "e1000e", "2");
        Add("0000:02:00.2", null, "2");
        Add("0000:03:00.0", "pcieport", "3", "0x060400");
        Add("0000:04:00.0", null, "4");
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_function_is_taken_from_its_driver_and_given_to_the_other()
    {
        Assert.Equal(["0000:01:00.0 went from snd to vfio-pci"], Bind("0000:01:00.0"));

        Assert.Equal("vfio-pci", Text("bus/pci/devices/0000:01:00.0/driver_override"));
        Assert.Equal("0000:01:00.0", Text("bus/pci/drivers/snd/unbind"));
        Assert.Equal("0000:01:00.0", Text("bus/pci/drivers/vfio-pci/bind"));
    }

    [Fact]
    public void What_was_is_known_to_the_next_broker_and_comes_back()
    {
        Bind("0000:01:00.0");

        Assert.Equal(["0000:01:00.0 went from snd to snd"], Unbind("0000:01:00.0")); // no driver answers here

        Assert.Equal("0000:01:00.0", Text("bus/pci/drivers/snd/bind"));
        Assert.StartsWith("\n", Text("bus/pci/devices/0000:01:00.0/driver_override"), StringComparison.Ordinal);
        Assert.Equal(Errno.ENOENT, Refused(() => Unbind("0000:01:00.0")).Errno);
    }

    [Fact]
    public void A_function_without_a_driver_goes_back_to_none()
    {
        Bind("0000:04:00.0");

        Assert.Contains("to no driver", Assert.Single(Unbind("0000:04:00.0")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_group_is_explained_and_given_whole_when_that_is_asked_for()
    {
        var refused = Refused(() => Bind("0000:02:00.0"));
        Assert.Equal(Errno.EBUSY, refused.Errno);
        Assert.Contains("in IOMMU group 2 together with 0000:02:00.1 (e1000e)", refused.Why, StringComparison.Ordinal);
        Assert.Contains("--whole-group", refused.Fix, StringComparison.Ordinal);
        Assert.Equal("", Text("bus/pci/devices/0000:02:00.0/driver_override"));

        Assert.Equal(["0000:02:00.0 went from snd to vfio-pci", "0000:02:00.1 went from e1000e to vfio-pci"], Binding().Bind(Root, "0000:02:00.0", "vfio-pci", wholeGroup: true).Act());
    }

    [Theory]
    [InlineData("0000:03:00.0", "vfio-pci", Errno.EINVAL, "is a bridge")]
    [InlineData("0000:01:00.0", "e1000e", Errno.EINVAL, "other drivers only")]
    [InlineData("0000:01:00.0", "uio_pci_user", Errno.ENODEV, "is not loaded")]
    [InlineData("0000:09:00.0", "vfio-pci", Errno.ENODEV, "There is no PCI function")]
    [InlineData("../../../x", "vfio-pci", Errno.EINVAL, "is not a PCI address")]
    public void What_cannot_be_bound_is_refused(string address, string driver, Errno errno, string why)
    {
        var refused = Refused(() => Binding().Bind(Root, address, driver, wholeGroup: false));

        Assert.Equal(errno, refused.Errno);
        Assert.Contains(why, refused.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void One_whom_no_rule_lets_bind_is_refused() =>
        Assert.Equal(Errno.EACCES, Refused(() => Binding().Bind(Alice, "0000:01:00.0", "vfio-pci", wholeGroup: false)).Errno);

    [Fact]
    public void A_function_in_use_is_refused()
    {
        string path = Directory.CreateDirectory(Path.Combine(_machine.Root, "devices/pci0000:00/0000:01:00.0/net/spec0")).FullName;
        File.WriteAllText(Path.Combine(path, "flags"), "0x1003\n");
        Directory.CreateDirectory(Path.Combine(_machine.Root, "class/net"));
        File.CreateSymbolicLink(Path.Combine(_machine.Root, "class/net/spec0"), path);

        var refused = Refused(() => Bind("0000:01:00.0"));

        Assert.Equal(Errno.EBUSY, refused.Errno);
        Assert.Contains("its network interface spec0 is up", refused.Why, StringComparison.Ordinal);
        Assert.Equal("snd", new PciSysfs(_machine.Root).Find("0000:01:00.0")!.Driver);
        Assert.Equal("", Text("bus/pci/drivers/snd/unbind"));
    }

    [Fact]
    public void A_group_whose_driver_refuses_comes_back_whole()
    {
        File.Delete(Path.Combine(_machine.Root, "bus/pci/drivers/e1000e/unbind"));
        File.CreateSymbolicLink(Path.Combine(_machine.Root, "bus/pci/drivers/e1000e/unbind"), "/dev/full"); // ENOSPC

        var refused = Refused(() => Binding().Bind(Root, "0000:02:00.0", "vfio-pci", wholeGroup: true).Act());

        Assert.Equal(Errno.EIO, refused.Errno);
        Assert.Contains("0000:02:00.1 was not taken by its new driver", refused.Why, StringComparison.Ordinal);
        Assert.Equal("0000:02:00.0", Text("bus/pci/drivers/snd/bind"));
    }

    [Fact]
    public void Another_card_in_the_slot_is_not_given_the_former_ones_driver()
    {
        Bind("0000:01:00.0");
        File.WriteAllText(Path.Combine(_machine.Root, "bus/pci/devices/0000:01:00.0/device"), "0x9999\n");

        Assert.Contains("1234:9999 now", Refused(() => Unbind("0000:01:00.0")).Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_card_in_the_slot_is_remembered_in_the_former_ones_place()
    {
        Bind("0000:01:00.0");
        File.WriteAllText(Path.Combine(_machine.Root, "bus/pci/devices/0000:01:00.0/device"), "0x9999\n");

        Bind("0000:01:00.0");

        Assert.Equal(["0000:01:00.0 went from snd to snd"], Unbind("0000:01:00.0"));
    }

    [Fact]
    public void A_plan_names_every_node_that_its_functions_and_their_virtual_ones_are_opened_by()
    {
        Virtual("0000:01:00.0", "0000:01:10.0", driver: null);

        var plan = Binding().Bind(Root, "0000:01:00.0", "vfio-pci", wholeGroup: false);

        Assert.Equal(["0000:01:00.0", "0000:01:10.0", "1", "9"], plan.Nodes.Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_function_whose_virtual_one_is_in_use_is_refused()
    {
        Virtual("0000:01:00.0", "0000:01:10.0", driver: "snd");
        string path = Directory.CreateDirectory(Path.Combine(_machine.Root, "devices/pci0000:00/0000:01:10.0/net/spec0")).FullName;
        File.WriteAllText(Path.Combine(path, "flags"), "0x1003\n");
        Directory.CreateDirectory(Path.Combine(_machine.Root, "class/net"));
        File.CreateSymbolicLink(Path.Combine(_machine.Root, "class/net/spec0"), path);

        var refused = Refused(() => Bind("0000:01:00.0"));

        Assert.Equal(Errno.EBUSY, refused.Errno);
        Assert.Contains("0000:01:10.0 is in use: its network interface spec0 is up", refused.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void A_function_that_many_processes_have_open_is_refused_in_a_few_words()
    {
        Bind("0000:04:00.0");
        BindLink("0000:04:00.0", "vfio-pci");
        for (int process = 5000; process < 5020; process++)
        {
            string folder = Directory.CreateDirectory(Path.Combine(_machine.Root, $"proc/{process}/fd")).FullName;
            File.CreateSymbolicLink(Path.Combine(folder, "3"), Path.Combine(_machine.Nodes, "4"));
        }

        var refused = Refused(() => Unbind("0000:04:00.0"));

        Assert.Equal(Errno.EBUSY, refused.Errno);
        Assert.EndsWith(" and 12 more", refused.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void A_bridge_with_a_VFIO_driver_is_given_with_its_group_and_has_to_be_allowed()
    {
        Add("0000:06:00.0", "vfio-pci", "6", "0x060400");
        Add("0000:06:00.1", "vfio-pci", "6");
        Add("0000:06:00.2", "pcieport", "6", "0x060400");

        var target = new Targets(new(_machine.Root), _machine.Nodes, _machine.Nodes).Find("vfio:0000:06:00.1");

        Assert.Equal(["0000:06:00.0", "0000:06:00.1"], target.Functions.Select(f => f.Address));
    }

    private IReadOnlyList<string> Bind(string address) => Binding().Bind(Root, address, "vfio-pci", wholeGroup: false).Act();

    private IReadOnlyList<string> Unbind(string address) => Binding().Unbind(Root, address, wholeGroup: false).Act();

    private void Virtual(string of, string address, string? driver)
    {
        Add(address, driver, "9", "0x020000");
        File.CreateSymbolicLink(Path.Combine(_machine.Root, "devices/pci0000:00", of, "virtfn0"), $"../{address}");
    }

    private void BindLink(string address, string driver) =>
        File.CreateSymbolicLink(Path.Combine(_machine.Root, "devices/pci0000:00", address, "driver"), Path.Combine(_machine.Root, "bus/pci/drivers", driver));

    // Each time a new one, as after a restart.
    private Riser.Host.Broker.Binding Binding()
    {
        var config = BrokerConfig.Read(ConfigurationFactory.ParseString($$"""
            broker {
              bindings = "{{_machine.Root}}/state/bindings.json"
              sysfs = "{{_machine.Root}}"
              proc = "{{_machine.Root}}/proc"
              nodes { vfio = "{{_machine.Nodes}}", uio = "{{_machine.Nodes}}", dev = "{{_machine.Nodes}}" }
            }
            """));
        return new(config, new(new(config.Sysfs), config.VfioNodes, config.UioNodes), new(config.Proc));
    }

    private void Add(string address, string? driver, string group, string classCode = "0x040300")
    {
        _machine.Add(address, driver: null, group, classCode: classCode);
        string path = Path.Combine(_machine.Root, "devices/pci0000:00", address);
        if (driver is not null)
            File.CreateSymbolicLink(Path.Combine(path, "driver"), Path.Combine(_machine.Root, "bus/pci/drivers", driver));
        File.WriteAllText(Path.Combine(path, "driver_override"), "");
    }

    private string Text(string path) => File.ReadAllText(Path.Combine(_machine.Root, path));

    private static PciException Refused(Action act) => Assert.Throws<PciException>(act);
}
