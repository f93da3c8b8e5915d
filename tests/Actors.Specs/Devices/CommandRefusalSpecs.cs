using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interrupts;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Devices;

/// <summary>Commands whose arguments make no sense: what is refused, in which words, and that the session goes on.</summary>
public sealed class CommandRefusalSpecs(ITestOutputHelper output) : DeviceSpec(output)
{
    private const ulong Page = 4096;

    [Fact]
    public void A_device_is_not_opened_for_nobody()
    {
        Device.Tell(new DeviceProtocol.Open(ActorRefs.Nobody), TestActor);
        Assert.Equal(Errno.EINVAL, ExpectMsg<Refused>().Errno);
        Assert.Equal(DevicePhase.Closed, Describe().State);
    }

    [Fact]
    public void Memory_that_is_not_mapped_is_refused_and_its_IOVA_stays_free()
    {
        Open();
        var nothing = DmaMemory.FromRange(new(16 * Page, Page));

        var refused = Ask<Refused>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(nothing, 0x10_0000)));

        Assert.NotEqual(Errno.EIO, refused.Errno);
        Assert.Contains(nothing.Range.ToString(), refused.Why, StringComparison.Ordinal);
        Assert.Contains("mapped", refused.Fix, StringComparison.Ordinal);
        AwaitAssert(() => Assert.Equal(0, Describe().Counts.DmaRegions));
        Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(Page), 0x10_0000)));
    }

    [Fact]
    public void A_piece_that_is_removed_twice_in_one_command_is_refused_and_stays()
    {
        Open();
        var created = Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(Page))));

        created.Region.Tell(new DmaProtocol.RemovePieces([created.Range, created.Range]), TestActor);

        Assert.Equal(Errno.EINVAL, ExpectMsg<Refused>().Errno);
        Assert.Equal(created.Range, Assert.Single(Simulation.Mappings).Range);
        Assert.Equal(0, Describe().Restarts);
    }

    [Theory]
    [InlineData((DmaAccess)0, InvalidationPolicy.Fail)]
    [InlineData((DmaAccess)77, InvalidationPolicy.Fail)]
    [InlineData(DmaAccess.DeviceReads, (InvalidationPolicy)77)]
    public void A_region_with_an_access_or_a_policy_that_does_not_exist_is_refused(DmaAccess access, InvalidationPolicy policy)
    {
        Open();
        var refused = Ask<Refused>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(Page), Access: access, Policy: policy)));
        Assert.Equal(Errno.EINVAL, refused.Errno);
        Assert.Equal(0, Describe().Counts.DmaRegions);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(InterruptProtocol.MostTriggers + 1)]
    [InlineData(int.MaxValue)]
    public void A_vector_is_not_triggered_so_often_that_nothing_else_gets_through(int times)
    {
        Open();
        OpenVectors(1)[0].Tell(new InterruptProtocol.Trigger(times), TestActor);
        var refused = ExpectMsg<Refused>();
        Assert.Equal(Errno.EINVAL, refused.Errno);
        Assert.Contains($"{InterruptProtocol.MostTriggers}", refused.Fix, StringComparison.Ordinal);
        Assert.Equal(0, Simulation.TriggeredTotal);
    }

    [Fact]
    public void A_vector_refuses_masks_and_ways_of_counting_that_do_not_exist()
    {
        Open();
        var vector = OpenVectors(1)[0];
        foreach (InterruptProtocol.ICommand command in new InterruptProtocol.ICommand[]
            { new InterruptProtocol.Mask((MaskPlace)7), new InterruptProtocol.Unmask((MaskPlace)7), new InterruptProtocol.Subscribe(null, (InterruptCounting)7), new InterruptProtocol.Subscribe(ActorRefs.Nobody) })
        {
            vector.Tell(command, TestActor);
            Assert.Equal((Errno.EINVAL, (object)command), ExpectMsg<Refused>() is var refused ? (refused.Errno, refused.Command) : default);
        }
    }
}
