using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Dma;

namespace Riser.Actors.Specs.Backends;

/// <summary>The contract on the simulated backend.</summary>
public sealed class SimulationContractSpecs(SimulationContractSpecs.Fixture fixture) : BackendContract<SimulationContractSpecs.Fixture>(fixture)
{
    public sealed class Fixture : BackendFixture
    {
        public override IPciBackend Backend { get; } = new SimulationBackend(ConfigurationFactory.ParseString("devices { pony0 { vectors = 64 } }"));

        public override DeviceId Device => DeviceId.Parse("sim:pony0");

        public override (int Bar, ulong Offset)? ScratchRegister => (2, 64);
    }
}

/// <summary>The contract on a simulated machine without an IOMMU.</summary>
public sealed class SimulationBusAddressSpecs(SimulationBusAddressSpecs.Fixture fixture) : BusAddressContract<SimulationBusAddressSpecs.Fixture>(fixture)
{
    public sealed class Fixture : BackendFixture
    {
        public override IPciBackend Backend { get; } = new SimulationBackend(ConfigurationFactory.ParseString("iommu.present = off, devices { pony0 { vectors = 64 } }"));

        public override DeviceId Device => DeviceId.Parse("sim:pony0");

        public override DmaMemoryKind HugePages => DmaMemoryKind.Huge; // there may be no others
    }
}
