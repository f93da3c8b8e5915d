using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Backends.Vfio;
using Riser.Actors.Specs.Backends.Hardware;

namespace Riser.Actors.Specs.Backends.Vfio;

/// <summary>What the backend says before any device is opened, on a sysfs of the spec's own.</summary>
public sealed class VfioBackendSpecs : IDisposable
{
    private readonly FakeSysfs _sysfs = new();

    public void Dispose() => _sysfs.Dispose();

    [Fact]
    public void Discover_lists_what_is_bound_to_vfio_and_its_variants_only()
    {
        _sysfs.Add("0000:01:00.0").Add("0000:02:00.0", driver: "e1000e", group: "8").Add("0000:03:00.0", driver: "mlx5_vfio_pci", group: "9").Add("0000:04:00.0", driver: null, group: "10");
        using var backend = new VfioBackend(_sysfs.Config);

        var found = backend.Discover();

        Assert.Equal(["vfio:0000:01:00.0", "vfio:0000:03:00.0"], found.Select(d => $"{d.Id}"));
        Assert.Equal(new(found[0].Id, 0x1234, 0x11e8, 0x00ff00, "7"), found[0]);
    }

    [Fact]
    public void Discover_names_the_obstacle_when_another_function_of_the_group_is_in_use()
    {
        _sysfs.Add("0000:01:00.0").Add("0000:01:00.1", driver: "e1000e");
        using var backend = new VfioBackend(_sysfs.Config);

        Assert.Contains("0000:01:00.1 is bound to e1000e", Assert.Single(backend.Discover()).Obstacle);
    }

    [Fact]
    public void Discover_is_empty_where_there_is_no_pci() => Assert.Empty(new VfioBackend(_sysfs.Config).Discover());

    [Theory]
    [InlineData("0000:09:00.0")]
    [InlineData("00:10.0")]
    [InlineData("..")]
    [InlineData("0000:01:00.8")]
    [InlineData("pony0")]
    public void Open_refuses_with_ENODEV_when_there_is_no_such_function(string address)
    {
        var refused = Refusal(address);

        Assert.Equal(Errno.ENODEV, refused.Errno);
        Assert.Contains(address, refused.Why);
    }

    [Fact]
    public void Open_refuses_with_EINVAL_and_the_fix_when_another_driver_has_the_function()
    {
        _sysfs.Add("0000:01:00.0", driver: "e1000e");

        var refused = Refusal("0000:01:00.0");

        Assert.Equal(Errno.EINVAL, refused.Errno);
        Assert.Contains("0000:01:00.0 is bound to e1000e", refused.Why);
        Assert.Contains("driver_override", refused.Fix);
        Assert.Contains("driver/unbind", refused.Fix);
    }

    [Fact]
    public void Open_refuses_with_EINVAL_when_no_driver_has_the_function()
    {
        _sysfs.Add("0000:01:00.0", driver: null);

        var refused = Refusal("0000:01:00.0");

        Assert.Equal(Errno.EINVAL, refused.Errno);
        Assert.Contains("no driver", refused.Why);
        Assert.DoesNotContain("unbind", refused.Fix);
    }

    [Fact]
    public void Open_refuses_with_EINVAL_when_there_is_no_iommu()
    {
        _sysfs.Add("0000:01:00.0", group: null);

        var refused = Refusal("0000:01:00.0");

        Assert.Equal(Errno.EINVAL, refused.Errno);
        Assert.Contains("intel_iommu=on", refused.Fix);
    }

    [Fact]
    public void Open_names_every_offender_when_the_group_is_not_viable()
    {
        _sysfs.Add("0000:01:00.0").Add("0000:01:00.1", driver: "e1000e").Add("0000:01:00.2", driver: "xhci_hcd")
            .Add("0000:00:1c.0", driver: "pcieport").Add("0000:01:00.3", driver: "pci-stub").Add("0000:01:00.4", driver: null);

        var refused = Refusal("0000:01:00.0");

        Assert.Equal(Errno.EINVAL, refused.Errno);
        Assert.Equal("IOMMU group 7 is not viable: 0000:01:00.1 is bound to e1000e, 0000:01:00.2 is bound to xhci_hcd", refused.Why);
    }

    [Fact]
    public void Open_refuses_with_ENODEV_and_modprobe_when_vfio_is_not_loaded()
    {
        _sysfs.Add("0000:01:00.0");

        var refused = Refusal("0000:01:00.0");

        Assert.Equal(Errno.ENODEV, refused.Errno);
        Assert.Contains("modprobe vfio-pci", refused.Fix);
    }

    [Fact]
    public void No_permission_names_the_node_and_the_fix()
    {
        var refused = VfioObstacles.NoPermission("/dev/vfio/7");

        Assert.Equal(Errno.EACCES, refused.Errno);
        Assert.Contains("/dev/vfio/7", refused.Why);
        Assert.Contains("chown", refused.Fix);
        Assert.Contains("udev", refused.Fix);
    }

    [Fact]
    public void Settings_have_the_defaults_of_reference_conf() =>
        Assert.Equal(new("/sys", "/dev/vfio", 32, true, true, new(true, TimeSpan.FromSeconds(10)), BrokerSettings.Of(Config.Empty)), VfioSettings.Read(Config.Empty));

    [Theory]
    [InlineData("hot-plug.source = netlink", "hot-plug.source")]
    [InlineData("vectors-ahead = -1", "vectors-ahead")]
    public void Settings_refuse_a_value_that_the_key_does_not_take(string text, string key) =>
        Assert.Contains(key, Assert.Throws<ConfigurationException>(() => VfioSettings.Read(ConfigurationFactory.ParseString(text))).Message);

    private PciException Refusal(string address)
    {
        using var backend = new VfioBackend(_sysfs.Config);
        return Assert.Throws<PciException>(() => backend.Open(DeviceId.Parse($"vfio:{address}")));
    }
}
