using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interrupts;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Devices;

/// <summary>What a former owner's regions and vectors ask for late does not reach the session of the next one.</summary>
public sealed class StrangerSpecs(ITestOutputHelper output) : DeviceSpec(output)
{
    private const ulong Page = 4096;

    [Fact]
    public void A_region_that_is_not_the_devices_maps_and_unmaps_nothing()
    {
        Open();
        var created = Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(Page), 0x10_0000)));
        using var memory = DmaMemory.Allocate(Page);
        object[] requests =
        [
            new DmaMapping.Add([memory.Piece(0x20_0000, 0, Page, DmaAccess.ReadWrite)]),
            new DmaMapping.Remove([created.Memory.Piece(0x10_0000, 0, Page, DmaAccess.ReadWrite)]),
        ];

        Assert.All(requests, request => Assert.Equal((Errno.ENODEV, request), Ask<Refused>(request) is var refused ? (refused.Errno, refused.Command) : default));

        Assert.Equal(created.Range, Assert.Single(Simulation.Mappings).Range);
        Assert.Equal((1, 0), (Describe().Epoch, Describe().Restarts));
    }

    [Theory]
    [InlineData(9)] // nobody has it open
    [InlineData(0)] // somebody else has
    public void A_vector_that_is_not_the_devices_triggers_nothing(int number)
    {
        Open();
        OpenVectors(1);
        using var stale = new VectorChannel(Simulation.Id, VectorKind.MsiX, number, Actors.Reactor.Reactor.For(Sys).Assign());
        var trigger = new InterruptProtocol.Trigger(1);

        var refused = Ask<Refused>(new VectorRequest(stale, trigger));

        Assert.Equal((Errno.ENODEV, trigger), (refused.Errno, refused.Command));
        Assert.Equal(0, Simulation.TriggeredTotal);
        Assert.Equal((1, 0), (Describe().Epoch, Describe().Restarts));
    }
}
