using Riser.Actors.Backends;
using Riser.Actors.Interop;
using Riser.Actors.Specs.Backends;

namespace Riser.Lab.Specs;

/// <summary>The contract, as far as it goes, on Linux's own uio_pci_generic.</summary>
public sealed class PlainEduFixture() : UioFixture("EDU", "uio_pci_generic")
{
    public override (int Bar, ulong Offset)? ScratchRegister => (0, 0x80); // DMA source address
}

public sealed class PlainUioContractSpecs(PlainEduFixture fixture) : BackendContract<PlainEduFixture>(fixture);

/// <summary>INTx and registers of a device that only uio_pci_generic has.</summary>
public sealed class PlainUioSpecs
{
    private const ulong Raise = 0x60, Acknowledge = 0x64;

    [SkippableFact]
    public void Each_interrupt_is_counted_once_it_was_unmasked()
    {
        using var binding = new UioBinding("EDU", "uio_pci_generic");
        using var session = Lab.UioBackend().Open(Lab.UioDevice("EDU"));
        using var eventFd = EventFdHandle.Create();
        var registers = session.Bar(0);
        session.Arm(VectorKind.IntX, 0, [eventFd]);

        for (uint i = 1; i <= 100; i++)
        {
            registers.Write32(Raise, i);
            Assert.Equal(1, Lab.Count(eventFd));
            registers.Write32(Acknowledge, i);
            session.Mask(VectorKind.IntX, 0, masked: false); // the driver masks it after each
        }

        Assert.Equal(0, eventFd.Read());
        session.Disarm(VectorKind.IntX);
        registers.Write32(Raise, 1);
        Assert.Equal(0, Lab.Count(eventFd, seconds: 1));
        registers.Write32(Acknowledge, 1);
        session.Dispose();
        Assert.Equal(0, Lab.Command(binding.Address) & 4);
    }

    [SkippableFact]
    public void DMA_and_MSI_are_refused_with_the_way_to_them()
    {
        using var binding = new UioBinding("EDU", "uio_pci_generic");
        using var session = Lab.UioBackend().Open(Lab.UioDevice("EDU"));
        using var memory = new TestMemory(4096);

        var refused = Assert.Throws<PciException>(() => session.Map([memory.At(0x100000)]));

        Assert.Equal(Errno.EOPNOTSUPP, refused.Errno);
        Assert.Contains("uio_pci_user", refused.Fix);
        Assert.Equal([VectorKind.IntX], session.Info.Vectors.Select(v => v.Kind));
    }

    [SkippableFact]
    public void An_unprivileged_user_has_the_device_once_he_has_the_files_that_the_refusal_names()
    {
        using var binding = new UioBinding("EDU", "uio_pci_generic");
        string node = "/dev/" + Path.GetFileName(Directory.EnumerateDirectories($"/sys/bus/pci/devices/{binding.Address}/uio").Single());
        string[] files = [node, $"/sys/bus/pci/devices/{binding.Address}/config", $"/sys/bus/pci/devices/{binding.Address}/resource0"];

        try
        {
            for (int given = 0; given < files.Length; given++)
            {
                string refused = AsNobody("open");
                Assert.StartsWith($"EACCES: No permission to open {string.Join(", ", files[given..])} (EACCES)", refused);
                Assert.Contains($"chown $USER {string.Join(' ', files[given..])};", refused);
                Lab.Run("chown", "65534", files[given]);
            }

            Assert.Equal("done", AsNobody("interrupt"));
            Assert.Equal(0, Lab.Command(binding.Address) & 4);
        }
        finally
        {
            Lab.Run("chown", ["0", .. files]); // sysfs keeps it beyond the driver
        }
    }

    private static string AsNobody(string what)
    {
        using var nobody = Lab.StartAsNobody(what, $"{Lab.UioDevice("EDU")}");
        string said = nobody.StandardOutput.ReadToEnd().Trim();
        nobody.WaitForExit();
        return said;
    }
}
