using Riser.Actors.Backends;
using Riser.Actors.ConfigSpace;

namespace Riser.Actors.Specs.ConfigSpace;

/// <summary>The rules whose fields mean more than their bits, one spec a rule.</summary>
public sealed class PciConfigSpaceSpecs
{
    [Fact]
    public void Rule_2_Intx_disable_is_told_and_kept_from_the_device()
    {
        var device = new FullConfigSpace();

        device.Space.Write(4, 2, 0x0407);

        Assert.True(device.IntxDisabled);
        Assert.Equal(0x0407UL, device.Space.Read(4, 2));
        Assert.Equal(0x0007u, device.Hardware(4) & 0xffff);
        device.Space.Write(4, 2, 0x0003);
        Assert.False(device.IntxDisabled);
    }

    [Fact]
    public void Rule_3_Memory_enable_is_told_and_a_lost_one_is_restored()
    {
        var device = new FullConfigSpace();
        device.Space.Write(4, 2, 2);
        Assert.True(device.MemoryEnabled);
        Assert.Equal(0, device.Restores);
        device.Space.Write(4, 2, 0);
        Assert.False(device.MemoryEnabled);

        device.Space.Write(4, 2, 2);
        device.Bytes[4] = 0; // a reset behind the user's back
        device.Space.Write(4, 2, 2);

        Assert.Equal(1, device.Restores);
    }

    [Fact]
    public void Rule_3_A_virtual_function_reads_memory_enable_from_the_shadow()
    {
        var device = new FullConfigSpace(virtualFunction: true);

        device.Space.Write(4, 2, 2);

        Assert.Equal(2UL, device.Space.Read(4, 2) & 2);
        Assert.Equal(0u, device.Hardware(4) & 2);
    }

    [Fact]
    public void Rule_6_Bars_can_be_sized_and_never_moved()
    {
        var device = new FullConfigSpace();
        Assert.Equal(0xe0000000UL, device.Space.Read(0x10, 4));

        for (int bar = 0; bar < 6; bar++)
            device.Space.Write(0x10 + (4 * bar), 4, 0xffffffff);

        uint[] expected = [0xfffff000, 0, 0x0000000c, 0xfffffffe, 0, 0];
        for (int bar = 0; bar < 6; bar++)
            Assert.Equal(expected[bar], (uint)device.Space.Read(0x10 + (4 * bar), 4));
        Assert.Equal(0xe0000000u, device.Hardware(0x10));
        Assert.Equal(0xd000000cu, device.Hardware(0x18));
    }

    [Fact]
    public void Rule_7_The_rom_can_be_sized_and_never_moved()
    {
        var device = new FullConfigSpace();

        device.Space.Write(0x30, 4, 0xffffffff);

        Assert.Equal(0xffff0001UL, device.Space.Read(0x30, 4));
        Assert.Equal(0xc0000000u, device.Hardware(0x30));
    }

    [Fact]
    public void Rule_8_and_13_hidden_capabilities_are_not_in_the_list()
    {
        var device = new FullConfigSpace();
        List<int> ids = [];
        for (int at = (int)device.Space.Read(0x34, 1); at != 0; at = (int)device.Space.Read(at + 1, 1))
            ids.Add((int)device.Space.Read(at, 1));

        Assert.Equal([0x01, 0x03, 0x05, 0x07, 0x09, 0x10, 0x11, 0x13], ids);
    }

    [Fact]
    public void Rule_13_The_list_bit_reads_zero_when_all_are_hidden()
    {
        var builder = new ConfigSpaceBuilder().Header(1, 2, 3, intx: true).Standard(0x0d, 8, out _).Standard(0x0a, 4, out _);
        var space = new PciConfigSpace(new(builder.Bytes, new([0, 0, 0, 0, 0, 0])), new FullConfigSpace());

        Assert.Equal(0UL, space.Read(6, 2) & 0x10);
        Assert.Equal(0UL, space.Read(0x34, 1));
    }

    [Fact]
    public void Rule_10_The_pin_reads_zero_when_intx_is_not_offered()
    {
        Assert.Equal(1UL, new FullConfigSpace().Space.Read(0x3d, 1));
        Assert.Equal(0UL, new FullConfigSpace(intx: false).Space.Read(0x3d, 1));
    }

    [Fact]
    public void Rule_14_Pme_support_reads_zero()
    {
        var device = new FullConfigSpace();

        Assert.Equal(0x0003UL, device.Space.Read(device.Find(CapabilityId.PowerManagement) + 2, 2));
    }

    [Fact]
    public void Rule_15_The_power_state_goes_through_the_kernel()
    {
        var device = new FullConfigSpace();
        int control = device.Find(CapabilityId.PowerManagement) + 4;

        device.Space.Write(control, 2, 0x8103);

        Assert.Equal(3, device.PowerState);
        Assert.Equal(0u, device.Hardware(control) & 0x8103);
    }

    [Fact]
    public void Rule_16_Vital_product_data_is_read_and_written_by_the_top_byte()
    {
        var device = new FullConfigSpace();
        int vpd = device.Find(CapabilityId.VitalProductData);
        device.Space.Write(vpd + 4, 4, 0xcafe);

        device.Space.Write(vpd + 2, 1, 8);
        Assert.Empty(device.Vpd);
        device.Space.Write(vpd + 2, 2, 0x8008);
        Assert.Equal(0xcafeu, device.Vpd[8]);
        Assert.Equal(0x0008UL, device.Space.Read(vpd + 2, 2)); // done
        device.Space.Write(vpd + 4, 4, 0);
        device.Space.Write(vpd + 2, 2, 0x0008);
        Assert.Equal(0x8008UL, device.Space.Read(vpd + 2, 2));
        Assert.Equal(0xcafeUL, device.Space.Read(vpd + 4, 4));
        device.Space.Write(vpd + 2, 2, 0x0010);
        Assert.Equal(0x0010UL, device.Space.Read(vpd + 2, 2)); // nothing there: never done
    }

    [Fact]
    public void Rule_18_Reset_is_trapped_and_the_read_request_has_a_floor()
    {
        var device = new FullConfigSpace();
        int control = device.Find(CapabilityId.PciExpress) + 8;
        device.Bytes[control] = 0x40; // payload 512: the device's own

        device.Space.Write(control, 2, 0x8000);
        Assert.Equal(1, device.Resets);
        Assert.Equal(0x0000UL, device.Space.Read(control, 2) & 0xf000);
        Assert.Equal(0x2040u, device.Hardware(control) & 0xf0e0); // 512 at least
        device.Space.Write(control, 2, 0x52e0);
        Assert.Equal(0x50e0UL, device.Space.Read(control, 2) & 0xf2e0); // phantom functions stay off
        Assert.Equal(0x5040u, device.Hardware(control) & 0xf2e0);
    }

    [Fact]
    public void Rule_18_Reset_is_dropped_where_the_device_has_none()
    {
        var device = new FullConfigSpace();
        int express = device.Find(CapabilityId.PciExpress);
        device.Bytes[express + 7] = 0;

        device.Space.Write(express + 8, 2, 0x8000);

        Assert.Equal(0, device.Resets);
        Assert.Equal(0UL, device.Space.Read(express + 8, 2) & 0x8000);
    }

    [Theory]
    [InlineData(3, 1)]
    [InlineData(2, 0)]
    [InlineData(1, 0)]
    public void Rule_20_Advanced_features_reset_needs_both_abilities(byte abilities, int resets)
    {
        var device = new FullConfigSpace();
        int at = device.Find(CapabilityId.AdvancedFeatures);
        device.Bytes[at + 3] = abilities;

        device.Space.Write(at + 4, 1, 1);

        Assert.Equal(resets, device.Resets);
        Assert.Equal(0UL, device.Space.Read(at + 4, 1));
    }

    [Fact]
    public void Rule_21_Msi_is_enabled_by_the_interrupt_call_only_and_its_queue_is_clamped()
    {
        var device = new FullConfigSpace(); // 32 vectors possible
        int control = device.Find(CapabilityId.Msi) + 2;

        device.Space.Write(control, 1, 0xff);
        Assert.Equal(0xdaUL, device.Space.Read(control, 1));
        Assert.Equal(0u, device.Hardware(control) & 1);
        device.Space.SetMsiEnabled(true);
        Assert.Equal(1UL, device.Space.Read(control, 1) & 1);
        device.Space.SetMsiEnabled(false);
        Assert.Equal(0UL, device.Space.Read(control, 1) & 1);
        Assert.Equal((ulong)CapabilityId.Msi, device.Space.Read(control - 2, 1)); // the id word is not patched
    }

    [Fact]
    public void Rule_24_A_hidden_first_capability_becomes_a_placeholder()
    {
        var builder = new ConfigSpaceBuilder().Header(1, 2, 3, intx: true).Extended(0x1b, 1, 8, out _).Extended(ExtendedCapabilityId.SerialNumber, 1, 12, out int serial);
        var space = new PciConfigSpace(new(builder.Bytes, new([0, 0, 0, 0, 0, 0])), new FullConfigSpace());

        Assert.Equal((ulong)serial << 20, space.Read(0x100, 4));
    }

    [Fact]
    public void Rule_24_Hidden_extended_capabilities_are_not_in_the_list()
    {
        var device = new FullConfigSpace();
        List<int> ids = [];
        for (int at = 0x100; at != 0; at = (int)(device.Space.Read(at, 4) >> 20))
            ids.Add((int)device.Space.Read(at, 2));

        Assert.Equal([0x01, 0x04, 0x0b, 0x23, 0x03], ids);
    }

    [Theory]
    [InlineData(4096, 1, Errno.EFAULT)]
    [InlineData(4092, 8, Errno.EINVAL)]
    [InlineData(-1, 1, Errno.EFAULT)]
    [InlineData(1, 2, Errno.EINVAL)]
    [InlineData(0, 16, Errno.EINVAL)]
    public void Rule_25_An_access_past_the_end_is_refused_whole(int offset, int width, Errno errno)
    {
        var space = new FullConfigSpace().Space;

        Assert.Equal(errno, Assert.Throws<PciException>(() => space.Read(offset, width)).Errno);
        Assert.Equal(errno, Assert.Throws<PciException>(() => space.Write(offset, width, 0)).Errno);
    }

    [Fact]
    public void Broken_lists_end_where_they_break()
    {
        byte[] loop = new ConfigSpaceBuilder().Header(1, 2, 3, intx: true).Standard(CapabilityId.PowerManagement, 8, out int at).Bytes;
        loop[at + 1] = (byte)at;
        Assert.Single(Capabilities.Parse(loop));

        byte[] noise = new byte[4096];
        for (int seed = 0; seed < 200; seed++)
        {
            new Random(seed).NextBytes(noise);
            noise[6] |= 0x10;
            Assert.All(Capabilities.Parse(noise), c => Assert.InRange(c.Offset + c.Length, 0, 4096));
            _ = new ConfigLayout(noise, new([0, 0, 0, 0, 0, 0]));
        }
    }
}
