using Riser.Actors.Backends;
using Riser.Actors.Specs.Backends;

namespace Riser.Lab.Specs;

/// <summary>The contract of every backend, on devices of the lab through uio_pci_user, or another driver of the backend.</summary>
public abstract class UioFixture(string name, string driver = "uio_pci_user") : BackendFixture
{
    private UioBinding? _binding; // from the first use of the backend on
    private IPciBackend? _backend;

    public override IPciBackend Backend
    {
        get
        {
            _binding ??= new(name, driver);
            return _backend ??= Lab.UioBackend();
        }
    }

    public override DeviceId Device => Lab.UioDevice(name);

    public override int Rounds => 20;

    public override string? SkipReason => Lab.SkipReason ?? (Environment.GetEnvironmentVariable($"LAB_{name}") is null ? $"This lab has no {name}." : null);

    protected override void Dispose(bool disposing)
    {
        if (SkipReason is not null)
            return;
        base.Dispose(disposing);
        _binding?.Dispose();
    }
}

public sealed class UioEduFixture() : UioFixture("EDU")
{
    public override (int Bar, ulong Offset)? ScratchRegister => (0, 0x80); // DMA source address
}

public sealed class UioIvshmemFixture() : UioFixture("IVSHMEM")
{
    public override (int Bar, ulong Offset)? ScratchRegister => (2, 0x100); // shared memory
}

public sealed class UioNvmeFixture() : UioFixture("NVME");

public sealed class UioIgbFixture() : UioFixture("IGB");

public sealed class UioTestdevFixture() : UioFixture("TESTDEV");

public sealed class UioEduContractSpecs(UioEduFixture fixture) : BackendContract<UioEduFixture>(fixture);

public sealed class UioIvshmemContractSpecs(UioIvshmemFixture fixture) : BackendContract<UioIvshmemFixture>(fixture);

public sealed class UioNvmeContractSpecs(UioNvmeFixture fixture) : BackendContract<UioNvmeFixture>(fixture);

public sealed class UioIgbContractSpecs(UioIgbFixture fixture) : BackendContract<UioIgbFixture>(fixture);

public sealed class UioTestdevContractSpecs(UioTestdevFixture fixture) : BackendContract<UioTestdevFixture>(fixture);
