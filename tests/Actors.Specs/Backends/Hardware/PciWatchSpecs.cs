using System.Text;
using System.Threading.Channels;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Backends.Vfio;

namespace Riser.Actors.Specs.Backends.Hardware;

public sealed class PciWatchSpecs : IDisposable
{
    private readonly FakeSysfs _sysfs = new();
    private readonly Channel<DeviceChange> _changes = Channel.CreateUnbounded<DeviceChange>();

    public void Dispose() => _sysfs.Dispose();

    [Fact]
    public async Task Watch_tells_what_comes_and_goes_and_not_what_was_there()
    {
        _sysfs.Add("0000:01:00.0");
        using var backend = new VfioBackend(_sysfs.Config);
        using var watch = backend.Watch(c => _changes.Writer.TryWrite(c));

        _sysfs.Add("0000:02:00.0", group: "8");
        Assert.Equal("vfio:0000:02:00.0", $"{Assert.IsType<DeviceChange.Added>(await Next()).Device.Id}");

        _sysfs.Remove("0000:01:00.0");
        Assert.Equal("vfio:0000:01:00.0", $"{Assert.IsType<DeviceChange.Removed>(await Next()).Device}");
    }

    [Fact]
    public async Task Watch_tells_of_a_function_that_was_bound_anew_between_two_looks()
    {
        _sysfs.Add("0000:01:00.0");
        using var backend = new VfioBackend(_sysfs.Config);
        using var watch = backend.Watch(c => _changes.Writer.TryWrite(c));

        _sysfs.BindAnew("0000:01:00.0");

        Assert.Equal("vfio:0000:01:00.0", $"{Assert.IsType<DeviceChange.Removed>(await Next()).Device}");
        Assert.Equal("vfio:0000:01:00.0", $"{Assert.IsType<DeviceChange.Added>(await Next()).Device.Id}");
    }

    public static TheoryData<Exception> Passing => [new DirectoryNotFoundException("gone"), new PciException(Errno.EMFILE, "sysfs cannot be read", "Close files.")];

    [Theory]
    [MemberData(nameof(Passing), DisableDiscoveryEnumeration = true)]
    public async Task Watch_looks_again_when_a_function_goes_or_cannot_be_read_while_it_is_described(Exception passing)
    {
        int described = 0;
        using var watch = Watch(f => Interlocked.Increment(ref described) == 1 ? throw passing : Description(f));

        _sysfs.Add("0000:02:00.0", group: "8");
        Assert.Equal("vfio:0000:02:00.0", $"{Assert.IsType<DeviceChange.Added>(await Next()).Device.Id}");
        _sysfs.Add("0000:03:00.0", group: "9");
        Assert.Equal("vfio:0000:03:00.0", $"{Assert.IsType<DeviceChange.Added>(await Next()).Device.Id}");
    }

    [Theory]
    [MemberData(nameof(Passing), DisableDiscoveryEnumeration = true)]
    public async Task Watch_tells_later_of_what_its_first_look_could_not_see(Exception passing)
    {
        int described = 0;
        _sysfs.Add("0000:02:00.0", group: "8");
        using var watch = Watch(f => Interlocked.Increment(ref described) == 1 ? throw passing : Description(f));

        Assert.Equal("vfio:0000:02:00.0", $"{Assert.IsType<DeviceChange.Added>(await Next()).Device.Id}");
    }

    [Fact]
    public async Task Watch_describes_what_comes_once()
    {
        _sysfs.Add("0000:01:00.0");
        var described = new List<string>(); // by one thread at a time
        using var watch = Watch(f =>
        {
            described.Add(f.Address);
            return Description(f);
        });

        _sysfs.Add("0000:02:00.0", group: "8");
        await Next();
        _sysfs.Add("0000:03:00.0", group: "9");
        await Next();

        Assert.Equal(["0000:01:00.0", "0000:02:00.0", "0000:03:00.0"], described);
    }

    [Theory]
    [InlineData("0000:01:00.0", true)]
    [InlineData("10000:01:00.0", true)]
    [InlineData("0000:01:00.0\n", false)]
    [InlineData("../0000:01:00.0", false)]
    public void Address_is_all_of_the_text(string text, bool isAddress) => Assert.Equal(isAddress, PciSysfs.IsAddress(text));

    [Fact]
    public void Watch_ends_when_disposed_twice_and_with_uevents()
    {
        using var backend = new VfioBackend(Akka.Configuration.ConfigurationFactory.ParseString($"sysfs = \"{_sysfs.Root}\""));
        var watch = backend.Watch(_ => { });
        watch.Dispose();
        watch.Dispose();
    }

    [Fact]
    public void Uevent_reads_action_and_address() => Assert.Equal(
        new("bind", "0000:01:00.0"),
        Parse("bind@/devices/pci0000:00/0000:00:02.0/0000:01:00.0\0ACTION=bind\0SUBSYSTEM=pci\0DRIVER=vfio-pci\0PCI_SLOT_NAME=0000:01:00.0\0SEQNUM=1\0"));

    [Theory]
    [InlineData("")]
    [InlineData("add@/x\0ACTION=add\0SUBSYSTEM=net\0PCI_SLOT_NAME=0000:01:00.0\0")]
    [InlineData("add@/x\0ACTION=add\0SUBSYSTEM=pci\0")]
    [InlineData("add@/x\0ACTION=add\0SUBSYSTEM=pci\0PCI_SLOT_NAME=../..\0")]
    [InlineData("libudev\0\u00fe\u00ed\u00ca\u00fe")]
    public void Uevent_ignores_what_is_no_pci_function(string message) => Assert.Null(Parse(message));

    private static Uevent? Parse(string message) => Uevent.Parse(Encoding.UTF8.GetBytes(message));

    private PciWatch Watch(Func<PciFunction, DeviceDescription> describe) =>
        new(new PciSysfs(_sysfs.Root), f => f.IsVfio, describe, c => _changes.Writer.TryWrite(c), uevents: false, TimeSpan.FromMilliseconds(20));

    private static DeviceDescription Description(PciFunction function) =>
        new(DeviceId.Parse($"vfio:{function.Address}"), function.VendorId, function.ProductId, function.ClassCode, function.Group);

    private async Task<DeviceChange> Next()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        return await _changes.Reader.ReadAsync(limit.Token);
    }
}
