using Riser.Actors.Backends;
using static Riser.Lab.Specs.RunningBroker;

namespace Riser.Lab.Specs;

/// <summary>The broker binds and unbinds real functions of real drivers, and leaves alone what the machine uses.</summary>
public sealed class BindingSpecs : IClassFixture<RunningBroker>
{
    private readonly RunningBroker _broker;

    public BindingSpecs(RunningBroker broker)
    {
        _broker = broker;
        _broker.Start();
    }

    [SkippableFact]
    public void A_function_is_bound_and_comes_back_after_a_restart_of_the_broker()
    {
        string address = Lab.Address("SHARED_B");

        Assert.Equal($"{address} went from uio_pci_generic to vfio-pci", Bind(address));
        Assert.Equal("vfio-pci", Driver(address));
        _broker.Restart();

        Assert.Equal($"{address} went from vfio-pci to uio_pci_generic", Unbind(address));
        Assert.Equal("uio_pci_generic", Driver(address));
        _broker.MustSay($"{address} went from vfio-pci to uio_pci_generic, for user 0");
    }

    [SkippableFact]
    public void A_group_with_another_driver_in_it_is_explained()
    {
        var refused = Refused(() => Bind(Lab.Address("SHARED_A"), "uio_pci_user"));

        Assert.Equal(Errno.EBUSY, refused.Errno);
        Assert.Contains($"together with {Lab.Address("SHARED_B")} (uio_pci_generic)", refused.Why, StringComparison.Ordinal);
        Assert.Contains("--whole-group", refused.Fix, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void A_function_goes_to_the_module_and_back()
    {
        string address = Lab.Address("TESTDEV");
        using (new UioBinding("EDU")) // loads it
        {
        }

        Assert.Equal($"{address} went from vfio-pci to uio_pci_user", Bind(address, "uio_pci_user"));
        Assert.True(File.Exists($"/dev/uio_pci_user/{address}"));

        Assert.Equal($"{address} went from uio_pci_user to vfio-pci", Unbind(address));
        Assert.Equal("vfio-pci", Driver(address));
    }

    [SkippableFact]
    public void A_function_that_is_open_is_not_taken_away()
    {
        string address = Lab.Address("EDU");
        using var session = Lab.Backend().Open(Lab.Device("EDU"));

        var refused = Refused(() => Bind(address));

        Assert.Equal(Errno.EBUSY, refused.Errno);
        Assert.Contains($"vfio:{address} is open in process {Environment.ProcessId}", refused.Why, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void A_network_card_that_is_up_is_not_taken_away()
    {
        string address = Lab.Address("IGB");
        Lab.Run("modprobe", "igb");
        Lab.Bind(address, "igb");
        try
        {
            Assert.True(Lab.Until(() => Directory.Exists($"/sys/bus/pci/devices/{address}/net")), "igb made no interface");
            string name = Path.GetFileName(Directory.GetDirectories($"/sys/bus/pci/devices/{address}/net").Single());
            Lab.Run("ip", "addr", "add", "192.0.2.1/24", "dev", name);
            Lab.Run("ip", "link", "set", name, "up");

            var refused = Refused(() => Bind(address));
            Assert.Equal(Errno.EBUSY, refused.Errno);
            Assert.Contains($"{address} is in use: its network interface {name} is up", refused.Why, StringComparison.Ordinal);
            Assert.Contains("192.0.2.1", refused.Why, StringComparison.Ordinal);
            Assert.Equal("igb", Driver(address));

            Lab.Run("ip", "addr", "flush", "dev", name);
            Lab.Run("ip", "link", "set", name, "down");
            Assert.Equal($"{address} went from igb to vfio-pci", Bind(address));
            Assert.Equal($"{address} went from vfio-pci to igb", Unbind(address));
            Assert.Equal("igb", Driver(address));
        }
        finally
        {
            Lab.Bind(address, "vfio-pci");
        }
    }

    [SkippableFact]
    public void A_disk_that_is_in_use_is_not_taken_away()
    {
        string address = Lab.Address("NVME");
        Lab.Run("modprobe", "nvme");
        Lab.Bind(address, "nvme");
        try
        {
            Assert.True(Lab.Until(() => File.Exists("/dev/nvme0n1")), "nvme made no disk");
            using (File.OpenRead("/dev/nvme0n1"))
                Assert.Contains($"its disk nvme0n1 is open in process {Environment.ProcessId}", Refused(() => Bind(address)).Why, StringComparison.Ordinal);
            Lab.Run("mkswap", "/dev/nvme0n1");
            Lab.Run("swapon", "/dev/nvme0n1");
            try
            {
                Assert.Contains("its disk nvme0n1 is swap", Refused(() => Bind(address)).Why, StringComparison.Ordinal);
            }
            finally
            {
                Lab.Run("swapoff", "/dev/nvme0n1");
            }

            Assert.Equal($"{address} went from nvme to vfio-pci", Bind(address));
            Assert.False(File.Exists("/dev/nvme0n1"));
            Assert.Equal($"{address} went from vfio-pci to nvme", Unbind(address));
            Assert.Equal("nvme", Driver(address));
        }
        finally
        {
            Lab.Bind(address, "vfio-pci");
        }
    }

    [SkippableFact]
    public void A_bridge_is_not_taken_away()
    {
        string port = new FileInfo($"/sys/bus/pci/devices/{Lab.Address("EDU")}").LinkTarget!.Split('/')[^2];

        Assert.Contains($"{port} is a bridge", Refused(() => Bind(port)).Why, StringComparison.Ordinal);
    }

    private static string? Driver(string address) => Path.GetFileName(new FileInfo($"/sys/bus/pci/devices/{address}/driver").LinkTarget);
}
