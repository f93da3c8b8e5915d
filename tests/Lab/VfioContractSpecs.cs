using Riser.Actors.Backends;
using Riser.Actors.Specs.Backends;

namespace Riser.Lab.Specs;

/// <summary>The contract of every backend, on devices of the lab through VFIO.</summary>
public abstract class VfioFixture(string name) : BackendFixture
{
    private IPciBackend? _backend;

    public override IPciBackend Backend => _backend ??= Lab.Backend();

    public override DeviceId Device => Lab.Device(name);

    public override int Rounds => 20;

    public override string? SkipReason => Lab.SkipReason ?? (Environment.GetEnvironmentVariable($"LAB_{name}") is null ? $"This lab has no {name}." : null);
}

public sealed class EduFixture() : VfioFixture("EDU")
{
    public override (int Bar, ulong Offset)? ScratchRegister => (0, 0x80); // DMA source address
}

public sealed class IvshmemFixture() : VfioFixture("IVSHMEM")
{
    public override (int Bar, ulong Offset)? ScratchRegister => (2, 0x100); // shared memory
}

public sealed class NvmeFixture() : VfioFixture("NVME");

public sealed class IgbFixture() : VfioFixture("IGB");

public sealed class TestdevFixture() : VfioFixture("TESTDEV");

public sealed class EduContractSpecs(EduFixture fixture) : BackendContract<EduFixture>(fixture);

public sealed class IvshmemContractSpecs(IvshmemFixture fixture) : BackendContract<IvshmemFixture>(fixture);

public sealed class NvmeContractSpecs(NvmeFixture fixture) : BackendContract<NvmeFixture>(fixture);

public sealed class IgbContractSpecs(IgbFixture fixture) : BackendContract<IgbFixture>(fixture);

public sealed class TestdevContractSpecs(TestdevFixture fixture) : BackendContract<TestdevFixture>(fixture);
