using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;

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
