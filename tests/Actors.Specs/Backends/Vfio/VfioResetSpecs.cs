using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Backends.Vfio;

namespace Riser.Actors.Specs.Backends.Vfio;

public sealed class VfioResetSpecs
{
    private readonly FakeVfioDevice _kernel = new();

    [Fact]
    public void Function_is_reset_by_itself_where_it_can_be()
    {
        _kernel.Dependents = [new() { group_id = 7 }];

        Assert.False(Reset(hasFunctionReset: true).Reset());

        Assert.Equal(["function"], _kernel.Resets);
    }

    [Fact]
    public void Reset_is_refused_where_there_is_none()
    {
        var reset = Reset(hasFunctionReset: false);

        Assert.False(reset.IsPossible);
        Assert.Equal(Errno.EOPNOTSUPP, Assert.Throws<PciException>(() => reset.Reset()).Errno);
        reset.ResetAtClose();
    }

    [Fact]
    public void Reset_names_the_others_when_their_groups_are_not_open_here()
    {
        _kernel.Dependents = [new() { group_id = 8, segment = 0, bus = 3, devfn = (2 << 3) | 1 }];

        var refused = Assert.Throws<PciException>(() => Reset(hasFunctionReset: false).Reset());

        Assert.Equal(Errno.EBUSY, refused.Errno);
        Assert.Contains("0000:03:02.1 (IOMMU group 8)", refused.Why);
        Assert.Empty(_kernel.Resets);
    }

    private VfioReset Reset(bool hasFunctionReset)
    {
        var settings = VfioSettings.Read(Akka.Configuration.Config.Empty);
        return new(_kernel, new(_kernel, "0000:03:00.0", FakeVfioDevice.ConfigOffset, 256), new(settings, new(new(settings.Sysfs), settings.Nodes, settings.Broker)), "0000:03:00.0", hasFunctionReset);
    }
}
