using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interop;
using Riser.Actors.Specs.Interop;
using Riser.Actors.Specs.Reactor;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Devices;

/// <summary>A process that may open no more files: what needs one is refused or tried again, and the device forgets nothing. The limit is the process's.</summary>
[Collection(nameof(ReactorStressSpecs.Alone))]
public sealed class DescriptorLimitSpecs(ITestOutputHelper output)
    : DeviceSpec(output, "riser.restart.open-failed { first = 1s, longest = 1s }\n riser.restart.budget = 1000")
{
    [Fact]
    public void Vectors_for_which_there_is_no_room_are_refused_and_the_session_goes_on()
    {
        Open();
        OpenVectors(1);
        int before = Load;
        object answer;

        using (new FileLimit(FileLimit.LowestFree + 10))
        {
            Device.Tell(new DeviceProtocol.OpenVectors(0, 64), TestActor);
            answer = ExpectMsg<object>();
        }

        var refused = Assert.IsType<Refused>(answer);
        Assert.Equal(Errno.EMFILE, refused.Errno);
        Assert.IsType<DeviceProtocol.OpenVectors>(refused.Command);
        Assert.Contains("eventfd", refused.Why, StringComparison.Ordinal);
        Assert.Contains("ulimit -n", refused.Fix, StringComparison.Ordinal);
        Assert.Equal(before, Load); // those that had been made are closed
        Assert.Equal((DevicePhase.Ready, 1, 0), (Describe().State, Describe().Epoch, Describe().Restarts));
        Assert.Equal(64, OpenVectors(64).Count);
        Assert.Equal(64, Simulation.ArmedVectors.Count);
    }

    [Fact]
    public void A_session_for_which_there_is_no_room_is_tried_again_with_what_the_device_had()
    {
        // Two numbers below all that the device has, and no more, are free under the limit: a thread needs one to start, a session's notices need three.
        EventFdHandle[] room = [EventFdHandle.Create(), EventFdHandle.Create()];
        int limit = FileLimit.LowestFree;
        Open();
        var vector = OpenVectors(2)[1];
        var region = Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(4096))));
        DeviceProtocol.SessionLost first, second;
        DeviceProtocol.Description meanwhile;

        var below = FileLimit.TakeAllBelow(limit); // of what had been open for a moment only
        using (new FileLimit(limit))
        {
            Array.ForEach(room, descriptor => descriptor.Dispose());
            Simulation.ReportError();
            first = ExpectMsg<DeviceProtocol.SessionLost>();
            second = ExpectMsg<DeviceProtocol.SessionLost>();
            meanwhile = Describe();
        }

        Assert.Equal((1, SessionFailure.DeviceError), (first.Epoch, first.Failure));
        Assert.Equal((2, SessionFailure.OpenFailed), (second.Epoch, second.Failure));
        Assert.Contains(nameof(Errno.EMFILE), second.Why, StringComparison.Ordinal);
        Assert.Contains("ulimit -n", second.Why, StringComparison.Ordinal);
        Assert.Equal((TestActor, 2, 1), (meanwhile.Owner, meanwhile.Counts.Vectors, meanwhile.Counts.DmaRegions));
        below.ForEach(descriptor => descriptor.Dispose());
        FishForMessage(m => m is DeviceProtocol.SessionReady);
        Assert.Equal(region.Range, Assert.Single(Simulation.Mappings).Range);
        var subscriber = Subscribe(vector);
        Simulation.Raise(1, 3);
        ExpectInterrupts(subscriber, 3);
    }

    private int Load => Actors.Reactor.Reactor.For(Sys).Loops.Sum(loop => loop.Load);
}
