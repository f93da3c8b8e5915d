using Riser.Actors.Devices;
using Riser.Actors.Interop;
using Riser.Actors.Interrupts;
using Riser.Actors.Specs.Devices;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Interrupts;

/// <summary>Vectors of a reactor that is bound to a processor.</summary>
public sealed class SteeringSpecs(ITestOutputHelper output) : DeviceSpec(output, $"riser.reactor {{ threads = 1, processors = \"{s_processor}\" }}")
{
    private static readonly int s_processor = Affinity.OfProcess()[^1];

    [Fact]
    public void Interrupts_are_handled_where_the_reactor_hears_them()
    {
        Simulation.HasAffinity = true;
        Open();
        OpenVectors(2);
        OpenVectors(1, start: 5);

        Assert.Equal([0, 1, 5], Simulation.Affinities.Keys.Order());
        Assert.All(Simulation.Affinities.Values, cpus => Assert.Equal([s_processor], cpus));
    }

    [Fact]
    public void A_later_session_handles_them_there_too()
    {
        Simulation.HasAffinity = true;
        Open();
        OpenVectors(2);

        Simulation.ReportError();
        ExpectMsg<DeviceProtocol.SessionLost>();
        ExpectMsg<DeviceProtocol.SessionReady>();

        Assert.Equal([0, 1], Simulation.Affinities.Keys.Order());
    }

    [Fact]
    public void Whoever_sets_an_affinity_is_obeyed()
    {
        Simulation.HasAffinity = true;
        Open();
        var vector = OpenVectors(1)[0];

        vector.Tell(new InterruptProtocol.SetAffinity([4095]), TestActor);
        ExpectMsg<InterruptProtocol.AffinitySet>();
        Simulation.ReportError();
        ExpectMsg<DeviceProtocol.SessionLost>();
        ExpectMsg<DeviceProtocol.SessionReady>();

        Assert.Equal([4095], Assert.Single(Simulation.Affinities).Value);
    }

    [Fact]
    public void A_backend_that_has_no_say_in_it_is_not_the_worse()
    {
        Open();
        var vector = OpenVectors(1)[0];
        var subscriber = Subscribe(vector);

        Simulation.Raise(0, 3);

        ExpectInterrupts(subscriber, 3);
        Assert.Empty(Simulation.Affinities);
    }
}
