using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Specs.Backends.Vfio;

namespace Riser.Actors.Specs.Backends.Hardware;

public sealed class DeviceConfigSpaceSpecs
{
    private readonly FakeVfioDevice _kernel = new();
    private readonly DeviceConfigSpace _config;

    public DeviceConfigSpaceSpecs()
    {
        _kernel.Config[0x06] = 0x10; // STATUS: there are capabilities
        _kernel.Config[0x34] = 0x40;
        _kernel.Config[0x40] = 0x05; // MSI, then power management
        _kernel.Config[0x41] = 0x50;
        _kernel.Config[0x50] = 0x01;
        _config = new(_kernel, "0000:01:00.0", FakeVfioDevice.ConfigOffset, 256);
    }

    [Theory]
    [InlineData(4, 1)]
    [InlineData(4, 2)]
    [InlineData(4, 4)]
    [InlineData(0, 8)]
    public void Memory_decoding_stays_on_whatever_is_written(int offset, int width)
    {
        _config.Write(offset, width, 0);

        Assert.Equal(0b10, _kernel.Config[4]);
    }

    [Theory]
    [InlineData(0x54, 1)]
    [InlineData(0x54, 4)]
    [InlineData(0x50, 8)]
    public void Function_stays_in_D0_whatever_is_written(int offset, int width)
    {
        _config.Write(offset, width, ulong.MaxValue >> (64 - (width * 8)));

        Assert.Equal(0xfc, _kernel.Config[0x54]);
    }

    [Fact]
    public void Other_bits_are_written_as_they_are()
    {
        _config.Write(0x0c, 4, 0x01020304);

        Assert.Equal(0x01020304UL, _config.Read(0x0c, 4));
    }

    [Fact]
    public void Bus_master_changes_its_own_bit_only()
    {
        _kernel.Config[4] = 0x41;

        _config.SetBusMaster(true);
        Assert.Equal(0x47, _kernel.Config[4]);
        _config.SetBusMaster(false);
        Assert.Equal(0x43, _kernel.Config[4]);
    }

    [Fact]
    public void Bus_master_stays_off_once_closed()
    {
        _config.SetBusMaster(true);
        _config.Close();

        Assert.Equal(0, _kernel.Config[4] & 4);
        Assert.Equal(Errno.ENODEV, Assert.Throws<PciException>(() => _config.SetBusMaster(true)).Errno);
        Assert.Equal(Errno.ENODEV, Assert.Throws<PciException>(() => _config.Write(4, 2, 7)).Errno);
    }

    [Fact]
    public void All_ones_from_a_device_that_is_gone_is_a_surprise_removal()
    {
        _kernel.Gone = true;

        var fault = Assert.Throws<PciException>(() => _config.Read(0, 4));

        Assert.Equal((Errno.ENODEV, (SessionFailure?)SessionFailure.SurpriseRemoval), (fault.Errno, fault.Failure));
        Assert.Equal(SessionFailure.SurpriseRemoval, Assert.Throws<PciException>(() => _config.SetBusMaster(true)).Failure);
    }

    [Fact]
    public void All_ones_in_one_register_are_a_value()
    {
        _kernel.Config.AsSpan(0x60, 4).Fill(0xff);

        Assert.Equal(0xffffffffUL, _config.Read(0x60, 4));
    }

    [Theory]
    [InlineData(1, 2, Errno.EINVAL)]
    [InlineData(0, 3, Errno.EINVAL)]
    [InlineData(0, 0, Errno.EINVAL)]
    [InlineData(-4, 4, Errno.EFAULT)]
    [InlineData(256, 1, Errno.EFAULT)]
    [InlineData(256, 8, Errno.EFAULT)]
    public void Access_out_of_form_or_bounds_is_refused(int offset, int width, Errno errno)
    {
        Assert.Equal(errno, Assert.Throws<PciException>(() => _config.Read(offset, width)).Errno);
        Assert.Equal(errno, Assert.Throws<PciException>(() => _config.Write(offset, width, 0)).Errno);
    }
}
