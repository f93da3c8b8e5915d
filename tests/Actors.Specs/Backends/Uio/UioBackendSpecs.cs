using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Uio;
using Riser.Actors.Interop;
using Riser.Actors.Specs.Backends.Hardware;

namespace Riser.Actors.Specs.Backends.Uio;

/// <summary>What the backend says before any device is opened, on a sysfs of the spec's own.</summary>
public sealed class UioBackendSpecs : IDisposable
{
    private const string Address = "0000:01:00.0";
    private readonly FakeSysfs _sysfs = new();

    public void Dispose() => _sysfs.Dispose();

    [Fact]
    public void Discover_lists_what_is_bound_to_the_module_and_to_uio_pci_generic_only()
    {
        _sysfs.Add(Address, driver: "uio_pci_user").Add("0000:02:00.0", driver: "e1000e", group: "8").Add("0000:03:00.0", driver: "vfio-pci", group: "9").Add("0000:04:00.0", driver: "uio_pci_generic", group: "10");
        using var backend = new UioBackend(_sysfs.Config);

        Assert.Equal(["uio:0000:01:00.0", "uio:0000:04:00.0"], backend.Discover().Select(d => $"{d.Id}"));
    }

    [Theory]
    [InlineData("0000:09:00.0")]
    [InlineData("..")]
    public void Open_refuses_with_ENODEV_when_there_is_no_such_function(string address) => Assert.Equal(Errno.ENODEV, Refusal(address).Errno);

    [Fact]
    public void Open_says_that_the_module_is_not_loaded()
    {
        _sysfs.Add(Address, driver: "e1000e");

        var refused = Refusal(Address);

        Assert.Equal(Errno.EINVAL, refused.Errno);
        Assert.Contains("is bound to e1000e, and the module uio_pci_user is not loaded", refused.Why);
        Assert.Contains("modprobe uio_pci_user", refused.Fix);
        Assert.Contains("driver_override", refused.Fix);
    }

    [Fact]
    public void Open_says_how_to_bind_when_the_module_is_loaded()
    {
        _sysfs.Add(Address, driver: null).Add("0000:02:00.0", driver: "uio_pci_user", group: "8");

        var refused = Refusal(Address);

        Assert.Equal(Errno.EINVAL, refused.Errno);
        Assert.DoesNotContain("modprobe", refused.Fix);
        Assert.Contains("echo uio_pci_user > ", refused.Fix);
    }

    [Fact]
    public void Open_names_every_offender_when_the_group_is_not_viable()
    {
        _sysfs.Add(Address, driver: "uio_pci_user").Add("0000:01:00.1", driver: "e1000e").Add("0000:01:00.2", driver: "vfio-pci").Add("0000:00:1c.0", driver: "pcieport");

        var refused = Refusal(Address);

        Assert.Equal(Errno.EINVAL, refused.Errno);
        Assert.Equal("IOMMU group 7 is not viable: 0000:01:00.1 is bound to e1000e", refused.Why);
    }

    [Fact]
    public void Open_says_that_the_node_is_missing()
    {
        _sysfs.Add(Address, driver: "uio_pci_user");

        var refused = Refusal(Address);

        Assert.Equal(Errno.ENODEV, refused.Errno);
        Assert.Contains(Path.Combine(_sysfs.Nodes, Address), refused.Why);
    }

    [Theory]
    [InlineData(Errno.EACCES, Errno.EACCES, "No permission to open", "SUBSYSTEM==\"uio_pci_user\"")]
    [InlineData(Errno.EBUSY, Errno.EBUSY, "held by another program", "fuser")]
    [InlineData(Errno.EIO, Errno.EIO, "failed for 0000:01:00.0", "kernel's log")]
    public void Open_explains_what_the_kernel_refuses(Errno kernel, Errno errno, string why, string fix)
    {
        _sysfs.Add(Address, driver: "uio_pci_user").Node(Address);
        using var backend = new UioBackend(_sysfs.Config, new Refusing(kernel));

        var refused = Assert.Throws<PciException>(() => backend.Open(DeviceId.Parse($"uio:{Address}")));

        Assert.Equal(errno, refused.Errno);
        Assert.Contains(why, refused.Why);
        Assert.Contains(fix, refused.Fix);
    }

    [Fact]
    public void Open_names_the_sibling_that_may_hold_the_group()
    {
        _sysfs.Add(Address, driver: "uio_pci_user").Add("0000:01:00.1", driver: "uio_pci_user");
        using var backend = new UioBackend(_sysfs.Config, new Refusing(Errno.EBUSY));

        var refused = Assert.Throws<PciException>(() => backend.Open(DeviceId.Parse($"uio:{Address}")));

        Assert.Equal(Errno.EBUSY, refused.Errno);
        Assert.Contains("0000:01:00.1 of its IOMMU group 7", refused.Why);
    }

    [Fact]
    public void Without_an_iommu_the_modules_parameter_and_the_fix_are_named()
    {
        _sysfs.Add(Address, driver: "uio_pci_user", group: null).Node(Address);
        _sysfs.Parameter("uio_pci_user", "allow_noiommu", "N");

        var refused = Refusal(Address);

        Assert.Equal(Errno.EPERM, refused.Errno);
        Assert.Contains("allow_noiommu=1", refused.Fix);
        Assert.Contains("intel_iommu=on", refused.Fix);
    }

    [Fact]
    public void Settings_have_the_defaults_of_reference_conf() =>
        Assert.Equal(new("/sys", "/dev/uio_pci_user", "/dev", 32, true, new(true, TimeSpan.FromSeconds(10)), BrokerSettings.Of(Config.Empty)), UioSettings.Read(Config.Empty));

    [Theory]
    [InlineData("hot-plug.source = netlink", "hot-plug.source")]
    [InlineData("vectors-ahead = -1", "vectors-ahead")]
    public void Settings_refuse_a_value_that_the_key_does_not_take(string text, string key) =>
        Assert.Contains(key, Assert.Throws<ConfigurationException>(() => UioSettings.Read(ConfigurationFactory.ParseString(text))).Message);

    [Fact]
    public void Events_and_answers_have_the_words_of_every_backend()
    {
        Assert.Equal(new(SessionEventKind.Error, 7, TimeSpan.FromSeconds(2), DeviceErrorSeverity.Frozen), UioEvents.Read(new() { kind = LibC.UPU_EVENT_ERROR, state = LibC.UPU_STATE_FROZEN, sequence = 7, deadline_ms = 2000 }));
        Assert.Equal(new(SessionEventKind.Remove, 1, null), UioEvents.Read(new() { kind = LibC.UPU_EVENT_REMOVE, sequence = 1 }));
        Assert.Equal(
            [LibC.UPU_REPLY_RECOVERED, LibC.UPU_REPLY_CAN_RECOVER, LibC.UPU_REPLY_NEED_RESET, LibC.UPU_REPLY_DISCONNECT],
            Enum.GetValues<SessionReply>().Select(UioEvents.Code));
    }

    private PciException Refusal(string address)
    {
        using var backend = new UioBackend(_sysfs.Config);
        return Assert.Throws<PciException>(() => backend.Open(DeviceId.Parse($"uio:{address}")));
    }

    private sealed class Refusing(Errno errno) : INodeOpener
    {
        public int Open(string path) => throw new NativeException($"open({path})", errno);
    }
}
