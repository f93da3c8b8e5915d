using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Interrupts;
using Riser.Actors.Specs.Devices;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Interrupts;

public sealed class VectorSpecs(ITestOutputHelper output) : DeviceSpec(output)
{
    [Fact]
    public void Interrupts_reach_the_subscriber_with_their_exact_count()
    {
        Open();
        var vector = OpenVectors(1)[0];
        var subscriber = Subscribe(vector);

        Simulation.Raise(0, 1000);

        ExpectInterrupts(subscriber, 1000);
        Assert.Equal(vector, subscriber.LastSender);
    }

    [Fact]
    public void Interrupts_before_the_first_subscription_are_not_lost()
    {
        Open();
        var vector = OpenVectors(1)[0];
        Simulation.Raise(0, 3);

        ExpectInterrupts(Subscribe(vector), 3);
    }

    [Fact]
    public void The_answer_to_a_subscription_comes_before_its_first_signal()
    {
        Open();
        var vectors = OpenVectors(64);
        for (int vector = 0; vector < 64; vector++)
            Simulation.Raise(vector, 3);
        foreach (var vector in vectors)
        {
            var subscriber = CreateTestProbe();
            vector.Tell(new InterruptProtocol.Subscribe(), subscriber.Ref);
            Assert.IsType<InterruptProtocol.Subscribed>(subscriber.ExpectMsg<object>());
            ExpectInterrupts(subscriber, 3);
        }
    }

    [Fact]
    public void Every_subscriber_counts_for_itself()
    {
        Open();
        var vector = OpenVectors(1)[0];
        var first = Subscribe(vector);
        var second = Subscribe(vector);

        for (int i = 0; i < 100; i++)
        {
            Simulation.Raise(0, 7);
            if (i % 3 == 0)
                ExpectInterrupts(first, 7 * (i == 0 ? 1 : 3));
        }
        ExpectInterrupts(second, 700);
    }

    [Fact]
    public void Edge_only_means_one_or_more()
    {
        Open();
        var subscriber = Subscribe(OpenVectors(1)[0], InterruptCounting.EdgeOnly);
        Simulation.Raise(0, 5);
        Assert.Equal(1, subscriber.ExpectMsg<InterruptSignal>().Take());
    }

    [Fact]
    public void No_further_message_comes_before_the_first_is_taken()
    {
        Open();
        var subscriber = Subscribe(OpenVectors(1)[0]);
        Simulation.Raise(0);
        var signal = subscriber.ExpectMsg<InterruptSignal>();

        Simulation.Raise(0, 10);
        Describe(); // has drained the counter
        Assert.False(subscriber.HasMessages);

        Assert.Equal(11, signal.Take());
        Simulation.Raise(0);
        Assert.Same(signal, subscriber.ExpectMsg<InterruptSignal>());
    }

    [Fact]
    public void A_mask_in_the_runtime_loses_nothing()
    {
        Open();
        var vector = OpenVectors(1)[0];
        var subscriber = Subscribe(vector);
        vector.Tell(new InterruptProtocol.Mask(), TestActor);
        ExpectMsg<InterruptProtocol.Masked>();

        Simulation.Raise(0, 9);
        subscriber.ExpectNoMsg(TimeSpan.FromMilliseconds(50));
        vector.Tell(new InterruptProtocol.Unmask(), TestActor);
        ExpectMsg<InterruptProtocol.Unmasked>();

        ExpectInterrupts(subscriber, 9);
    }

    [Fact]
    public void A_mask_in_hardware_lets_pending_interrupts_coalesce()
    {
        Open();
        var vector = OpenVectors(1)[0];
        var subscriber = Subscribe(vector);
        vector.Tell(new InterruptProtocol.Mask(MaskPlace.Hardware), TestActor);
        ExpectMsg<InterruptProtocol.Masked>();
        Simulation.Raise(0, 9);
        vector.Tell(new InterruptProtocol.Unmask(MaskPlace.Hardware), TestActor);
        ExpectMsg<InterruptProtocol.Unmasked>();

        ExpectInterrupts(subscriber, 1);
    }

    [Fact]
    public void Trigger_signals_through_the_backend()
    {
        Open();
        var vectors = OpenVectors(64);
        var subscriber = Subscribe(vectors[63]);

        vectors[63].Tell(new InterruptProtocol.Trigger(5), TestActor);

        ExpectMsg<InterruptProtocol.Triggered>();
        ExpectInterrupts(subscriber, 5);
        Assert.Equal(5, Describe().Counts.Triggers);
        Assert.Equal(5, Describe().Counts.Interrupts);
    }

    [Fact]
    public void Trigger_refuses_to_do_nothing()
    {
        Open();
        OpenVectors(1)[0].Tell(new InterruptProtocol.Trigger(0), TestActor);
        Assert.Equal(Errno.EINVAL, ExpectMsg<Refused>().Errno);
    }

    [Fact]
    public void A_subscriber_that_dies_is_forgotten()
    {
        Open();
        var vector = OpenVectors(1)[0];
        var subscriber = Subscribe(vector);
        Watch(subscriber.Ref);
        Sys.Stop(subscriber.Ref);
        ExpectTerminated(subscriber.Ref);

        AwaitAssert(() =>
        {
            vector.Tell(new InterruptProtocol.Describe(), TestActor);
            Assert.Equal(0, ExpectMsg<InterruptProtocol.Description>().Subscribers);
        });
    }

    [Fact]
    public void Subscribing_again_takes_over_what_was_not_seen()
    {
        Open();
        var vector = OpenVectors(1)[0];
        var subscriber = Subscribe(vector);
        Simulation.Raise(0, 4);
        var former = subscriber.ExpectMsg<InterruptSignal>();

        vector.Tell(new InterruptProtocol.Subscribe(), subscriber.Ref);

        subscriber.FishForMessage(m => m is InterruptProtocol.Subscribed);
        Describe();
        ExpectInterrupts(subscriber, 4);
        Assert.Equal(0, former.Take());
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(64, 1)]
    [InlineData(63, 2)]
    [InlineData(0, 0)]
    [InlineData(0, int.MaxValue)]
    [InlineData(int.MaxValue, int.MaxValue)]
    public void A_vector_out_of_range_is_refused(int start, int count)
    {
        Open();
        var refused = Ask<Refused>(new DeviceProtocol.OpenVectors(start, count));
        Assert.Equal(Errno.EINVAL, refused.Errno);
        Assert.Contains("64 MsiX", refused.Fix, StringComparison.Ordinal);
        Assert.Empty(Simulation.ArmedVectors);
    }

    [Fact]
    public void Only_one_kind_is_used_at_a_time()
    {
        Open();
        OpenVectors(1);
        Assert.Equal(Errno.EBUSY, Ask<Refused>(new DeviceProtocol.OpenVectors(0, 1, VectorKind.Msi)).Errno);
    }

    [Fact]
    public void Vectors_added_later_lose_no_interrupt_of_those_in_use()
    {
        Open();
        var subscriber = Subscribe(OpenVectors(1)[0]);
        Simulation.Raise(0, 10);
        OpenVectors(8);
        Simulation.Raise(0, 10);
        Simulation.Raise(7, 1);

        ExpectInterrupts(subscriber, 20);
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7], Simulation.ArmedVectors);
    }

    [Fact]
    public void Collapsed_vectors_are_one_channel_that_counts_every_interrupt()
    {
        Open();
        var vector = Assert.Single(Ask<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors(0, 64, Collapsed: true)).Vectors);
        var subscriber = Subscribe(vector);

        long raised = 0;
        for (int i = 0; i < 64; i++)
            raised += Simulation.Raise(i, times: i + 1);

        Assert.Equal(64 * 65 / 2, raised);
        ExpectInterrupts(subscriber, raised);
        vector.Tell(new InterruptProtocol.Describe(), TestActor);
        Assert.Equal((raised, 64), ExpectMsg<InterruptProtocol.Description>() is var seen ? (seen.Interrupts, seen.Vectors) : default);
        Assert.Equal(64, Describe().Counts.Vectors);
    }

    [Fact]
    public void Collapsed_vectors_are_triggered_each_and_all_are_counted_over_a_restart()
    {
        Open();
        var vector = Ask<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors(2, 5, Collapsed: true)).Vectors[0];
        var subscriber = Subscribe(vector);
        Simulation.ReportError();
        ExpectMsg<DeviceProtocol.SessionLost>();
        ExpectMsg<DeviceProtocol.SessionReady>();
        subscriber.ExpectMsg<InterruptProtocol.SessionLost>();
        subscriber.ExpectMsg<InterruptProtocol.SessionReady>();
        Assert.Equal([2, 3, 4, 5, 6], Simulation.ArmedVectors);

        vector.Tell(new InterruptProtocol.Trigger(3), TestActor);

        ExpectMsg<InterruptProtocol.Triggered>();
        ExpectInterrupts(subscriber, 15);
        Assert.Equal(15, Describe().Counts.Triggers);
    }

    [Fact]
    public void Vectors_are_opened_one_by_one_or_collapsed_and_not_both()
    {
        Open();
        var one = Ask<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors(0, 4, Collapsed: true)).Vectors[0];

        Assert.Equal(Errno.EBUSY, Ask<Refused>(new DeviceProtocol.OpenVectors(3, 2)).Errno);
        Assert.Equal(Errno.EBUSY, Ask<Refused>(new DeviceProtocol.OpenVectors(0, 5, Collapsed: true)).Errno);
        Assert.Equal(Errno.EBUSY, Ask<Refused>(new DeviceProtocol.OpenVectors(0)).Errno);
        Assert.Equal([one], Ask<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors(0, 4, Collapsed: true)).Vectors);
        OpenVectors(4, start: 4);
        Assert.Equal(Errno.EBUSY, Ask<Refused>(new DeviceProtocol.OpenVectors(4, 2, Collapsed: true)).Errno);
    }

    [Fact]
    public void Affinity_holds_for_all_vectors_of_a_channel_and_for_the_next_session()
    {
        Simulation.HasAffinity = true;
        Open();
        var vector = Ask<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors(1, 2, Collapsed: true)).Vectors[0];
        vector.Tell(new InterruptProtocol.SetAffinity([3, 5]), TestActor);
        Assert.Equal([3, 5], ExpectMsg<InterruptProtocol.AffinitySet>().Cpus);
        Assert.Equal([1, 2], Simulation.Affinities.Keys.Order());

        Simulation.ReportError();
        ExpectMsg<DeviceProtocol.SessionLost>();
        ExpectMsg<DeviceProtocol.SessionReady>();

        Assert.Equal([1, 2], Simulation.Affinities.Keys.Order());
        Assert.All(Simulation.Affinities.Values, cpus => Assert.Equal([3, 5], cpus));
    }

    [Fact]
    public void Affinity_that_is_refused_to_the_next_session_does_not_keep_it_from_beginning()
    {
        Simulation.HasAffinity = true;
        Open();
        var vector = OpenVectors(1)[0];
        vector.Tell(new InterruptProtocol.SetAffinity([3]), TestActor);
        ExpectMsg<InterruptProtocol.AffinitySet>();
        Simulation.HasAffinity = false;

        Simulation.ReportError();

        ExpectMsg<DeviceProtocol.SessionLost>();
        ExpectMsg<DeviceProtocol.SessionReady>();
    }

    [Fact]
    public void Affinity_is_refused_where_the_backend_has_no_say_in_it()
    {
        Open();
        var vector = OpenVectors(1)[0];

        vector.Tell(new InterruptProtocol.SetAffinity([0]), TestActor);
        var refused = ExpectMsg<Refused>();
        Assert.Equal(Errno.EOPNOTSUPP, refused.Errno);
        Assert.IsType<InterruptProtocol.SetAffinity>(refused.Command);
        vector.Tell(new InterruptProtocol.SetAffinity([]), TestActor);
        Assert.Equal(Errno.EINVAL, ExpectMsg<Refused>().Errno);
    }
}
