using Riser.Actors.Backends;

namespace Riser.Lab.Specs;

/// <summary>What cannot be opened or mapped, and what is said about it.</summary>
public sealed class RefusalSpecs
{
    [SkippableFact]
    public void Discover_lists_the_labs_devices_and_the_obstacle_of_a_group()
    {
        var found = Lab.Backend().Discover();
        string blocked = Lab.Address("SHARED_A");

        Assert.Equal(
            ((string[])["EDU", "NVME", "IGB", "IVSHMEM", "TESTDEV"]).Select(Lab.Device),
            found.Where(d => d.Obstacle is null).Select(d => d.Id));
        Assert.Contains($"{Lab.Address("SHARED_B")} is bound to uio_pci_generic", found.Single(d => d.Id.Address == blocked).Obstacle);
        Assert.Equal((0x1234, 0x11e8, 0x00ff00u), (found[0].VendorId, found[0].ProductId, found[0].ClassCode));
    }

    [SkippableFact]
    public void Open_names_the_offender_when_the_group_is_not_viable()
    {
        var refused = Refused(Errno.EINVAL, "SHARED_A");

        Assert.Contains($"{Lab.Address("SHARED_B")} is bound to uio_pci_generic", refused.Why);
    }

    [SkippableFact]
    public void Open_names_driver_and_fix_when_the_function_is_bound_elsewhere() =>
        Assert.Contains("driver_override", Refused(Errno.EINVAL, "SHARED_B").Fix);

    [SkippableFact]
    public void Open_names_the_fix_when_the_function_is_bound_to_nothing()
    {
        Lab.Bind(Lab.Address("TESTDEV"), "none");
        try
        {
            Assert.Contains("bound to no driver", Refused(Errno.EINVAL, "TESTDEV").Why);
        }
        finally
        {
            Lab.Bind(Lab.Address("TESTDEV"), "vfio-pci");
        }
    }

    [SkippableFact]
    public void Open_refuses_with_EBUSY_when_another_program_holds_the_device()
    {
        using var holder = Lab.Start("hold", $"{Lab.Device("EDU")}");
        Assert.Equal("ready", holder.StandardOutput.ReadLine());

        Assert.Contains("another program", Refused(Errno.EBUSY, "EDU").Why);

        holder.StandardInput.Close();
        Assert.Equal("done", holder.StandardOutput.ReadLine());
        holder.WaitForExit();
        using var session = Lab.Backend().Open(Lab.Device("EDU"));
    }

    [SkippableFact]
    public void Open_names_the_node_when_the_user_has_no_permission()
    {
        using var nobody = Lab.StartAsNobody("open", $"{Lab.Device("EDU")}");

        string said = nobody.StandardOutput.ReadToEnd();
        Assert.Matches("^EACCES: No permission to open /dev/vfio/[0-9]+", said);
        Assert.Contains("chown", said);
    }

    [SkippableFact]
    public void Map_says_needed_and_allowed_when_the_user_may_not_lock_so_much()
    {
        string node = $"/dev/vfio/{Lab.Backend().Discover()[0].Group}";
        var mode = File.GetUnixFileMode(node);
        File.SetUnixFileMode(node, mode | UnixFileMode.OtherRead | UnixFileMode.OtherWrite);
        try
        {
            using var fits = Lab.StartAsNobody("map", $"{Lab.Device("EDU")}", $"{4 << 20}");
            Assert.Equal("done", fits.StandardOutput.ReadLine());
            fits.WaitForExit();
            using var refused = Lab.StartAsNobody("map", $"{Lab.Device("EDU")}", $"{16 << 20}");
            Assert.Matches("^ENOMEM: .*needed 1[67][0-9]{6} .*allowed 8388608 .*ulimit -l", refused.StandardOutput.ReadLine());
            refused.WaitForExit();
        }
        finally
        {
            File.SetUnixFileMode(node, mode);
        }
    }

    private static PciException Refused(Errno errno, string name)
    {
        var refused = Assert.Throws<PciException>(() => Lab.Backend().Open(Lab.Device(name)));
        Assert.Equal(errno, refused.Errno);
        return refused;
    }
}
