using Akka.Actor;
using Akka.TestKit;
using Riser.Actors.Backends;
using Riser.Actors.Interop;
using Riser.Actors.Interrupts;
using Riser.Actors.Reactor;
using Riser.Actors.Specs.Devices;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Interrupts;

/// <summary>One message for many vectors: nothing is lost that is not lost with a message for each.</summary>
public sealed class InterruptSetSpecs(ITestOutputHelper output) : DeviceSpec(output)
{
    [Fact]
    public void Vectors_that_fire_together_come_in_one_message_with_their_counts()
    {
        Open();
        var vectors = OpenVectors(64);
        var set = new InterruptSet(64);
        var probe = Subscribe(set, vectors);
        var loop = Riser.Actors.Reactor.Reactor.For(Sys).Loops[0];
        using var entered = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        loop.Post(new Hold(entered, leave)); // all is there before the reactor looks
        entered.Wait();
        foreach (int vector in (int[])[3, 60, 7])
            Simulation.Raise(vector, vector);
        leave.Set();

        Assert.Same(set, probe.ExpectMsg<InterruptSet>());

        Assert.Equal([(3, 3L), (7, 7L), (60, 60L)], Counts(set));
        Assert.Empty(Counts(set));
    }

    [Fact]
    public void What_is_left_of_a_broken_off_enumeration_comes_again()
    {
        Open();
        var set = new InterruptSet(3);
        var probe = Subscribe(set, OpenVectors(3));
        foreach (int vector in (int[])[0, 1, 2])
            Simulation.Raise(vector, 1);
        long seen = 0;

        while (seen < 3) // as many messages as it takes
        {
            foreach (var (_, count) in probe.ExpectMsg<InterruptSet>().Take())
            {
                seen += count;
                break;
            }
        }

        Assert.Equal(3, seen);
    }

    [Fact]
    public void Subscriber_that_crashed_over_the_message_hears_it_again_when_it_subscribes_again()
    {
        Open();
        var vectors = OpenVectors(2);
        var set = new InterruptSet(2);
        var probe = Subscribe(set, vectors);
        Simulation.Raise(1, 5);
        probe.ExpectMsg<InterruptSet>(); // and is lost: nobody takes it

        vectors[0].Tell(new InterruptProtocol.Subscribe(Set: set), probe.Ref);

        probe.FishForMessage(m => m is InterruptSet); // before its answer or after
        Assert.Equal([(1, 5L)], Counts(set));
    }

    [Fact]
    public void Set_of_another_subscriber_is_refused()
    {
        Open();
        var vectors = OpenVectors(2);
        var set = new InterruptSet();
        Subscribe(set, vectors);

        vectors[0].Tell(new InterruptProtocol.Subscribe(Set: set), TestActor);

        Assert.Equal(Errno.EBUSY, ExpectMsg<Refused>().Errno);
    }

    [Fact]
    public void Set_that_is_full_is_refused_until_a_vector_leaves_it()
    {
        Open();
        var vectors = OpenVectors(3);
        var set = new InterruptSet(2);
        var probe = Subscribe(set, vectors.Take(2));

        vectors[2].Tell(new InterruptProtocol.Subscribe(Set: set), probe.Ref);
        Assert.Equal(Errno.ENOSPC, probe.ExpectMsg<Refused>().Errno);

        vectors[0].Tell(new InterruptProtocol.Unsubscribe(), probe.Ref);
        probe.ExpectMsg<InterruptProtocol.Unsubscribed>();
        Subscribe(vectors[2], set, probe);
        Simulation.Raise(2, 4);
        probe.ExpectMsg<InterruptSet>();
        Assert.Equal([(2, 4L)], Counts(set));
    }

    [Fact]
    public void Subscribing_without_the_set_leaves_it()
    {
        Open();
        var vector = OpenVectors(1)[0];
        var set = new InterruptSet(1);
        var probe = Subscribe(set, [vector]);

        vector.Tell(new InterruptProtocol.Subscribe(), probe.Ref);
        var signal = probe.ExpectMsg<InterruptProtocol.Subscribed>().Signal;
        Simulation.Raise(0, 2);

        Assert.Same(signal, probe.ExpectMsg<InterruptSignal>());
        Assert.Null(signal.Set);
        Assert.Equal(2, signal.Take());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(65537)]
    public void Set_for_no_vectors_or_too_many_is_refused(int vectors) => Assert.Throws<ArgumentOutOfRangeException>(() => new InterruptSet(vectors));

    /// <summary>The one interleaving that matters: a vector fires after the marks were looked at, while the message has been taken.</summary>
    [Fact]
    public void Vector_that_fires_while_the_others_are_taken_sends_the_next_message()
    {
        using var channels = new Channels(2);
        var set = new InterruptSet(2);
        var subscriber = new Told();
        foreach (var channel in channels.All)
            channel.Subscribe(subscriber, InterruptCounting.Exact, set: set);
        channels.Fire(0);
        channels.Fire(1);
        Assert.Equal(1, subscriber.Messages);
        List<int> taken = [];

        foreach (var (signal, _) in set.Take())
        {
            taken.Add(signal.Vector);
            if (taken.Count == 1)
                channels.Fire(0); // its mark was looked at already
        }

        Assert.Equal([0, 1], taken);
        Assert.Equal(2, subscriber.Messages);
        Assert.Equal([(0, 1L)], Counts(set));
    }

    /// <summary>Two producers over many vectors against a taker on a thread of its own: each burst is heard to its end, and each signal counted once.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Every_signal_is_counted_once_and_the_end_of_every_burst_is_heard(int seed)
    {
        const int Vectors = 70; // more than one word of marks
        const int Bursts = 5_000;
        var loop = Riser.Actors.Reactor.Reactor.For(Sys).Assign();
        var all = Enumerable.Range(0, Vectors).Select(v => new VectorChannel(DeviceId.Parse("sim:pony"), VectorKind.MsiX, v, loop)).ToList();
        var set = new InterruptSet(Vectors);
        var told = new Told();
        all.ForEach(c => c.Subscribe(told, InterruptCounting.Exact, set: set));
        using var stop = new CancellationTokenSource();
        long taken = 0;
        var taker = new Thread(() =>
        {
            var random = new Random(seed);
            long seen = 0;
            while (!stop.IsCancellationRequested)
            {
                if (told.Messages == seen)
                    continue;
                seen = told.Messages;
                int most = random.Next(1, Vectors);
                foreach (var (_, count) in set.Take())
                {
                    Volatile.Write(ref taken, taken + count);
                    if (--most == 0)
                        break; // the rest comes again
                }
            }
        });
        taker.Start();
        try
        {
            var random = new Random(seed);
            long sent = 0;
            for (int burst = 0; burst < Bursts; burst++)
            {
                for (int i = random.Next(1, 12); i > 0; i--, sent++)
                    all[random.Next(Vectors)].EventFd.Signal();
                Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref taken) >= sent, TimeSpan.FromSeconds(20)), $"burst {burst}: {taken} of {sent} signals were heard");
                Assert.Equal(sent, taken);
            }
        }
        finally
        {
            stop.Cancel();
            taker.Join();
            all.ForEach(c => c.Dispose());
        }
    }

    private static List<(int Vector, long Count)> Counts(InterruptSet set)
    {
        List<(int, long)> counts = [];
        foreach (var (signal, count) in set.Take())
            counts.Add((signal.Vector, count));
        return counts;
    }

    private TestProbe Subscribe(InterruptSet set, IEnumerable<IActorRef> vectors)
    {
        var probe = CreateTestProbe();
        foreach (var vector in vectors)
            Subscribe(vector, set, probe);
        return probe;
    }

    private static void Subscribe(IActorRef vector, InterruptSet set, TestProbe probe)
    {
        vector.Tell(new InterruptProtocol.Subscribe(Set: set), probe.Ref);
        Assert.Same(set, ((InterruptProtocol.Subscribed)probe.FishForMessage(m => m is InterruptProtocol.Subscribed)).Signal.Set);
    }

    private sealed class Channels : IDisposable
    {
        public Channels(int count) => All = [.. Enumerable.Range(0, count).Select(v => new VectorChannel(DeviceId.Parse("sim:pony"), VectorKind.MsiX, v, (_, _) => new Deaf()))];

        public IReadOnlyList<VectorChannel> All { get; }

        public void Fire(int vector)
        {
            All[vector].EventFd.Signal();
            All[vector].OnSignal();
        }

        public void Dispose()
        {
            foreach (var channel in All)
                channel.Dispose();
        }
    }

    // The spec is the reactor.
    private sealed class Deaf : ISignalInterest
    {
        public void Suspend()
        {
        }

        public void Resume()
        {
        }

        public void Dispose()
        {
        }
    }

    private sealed class Hold(ManualResetEventSlim entered, ManualResetEventSlim leave) : Akka.Dispatch.IRunnable
    {
        public void Run()
        {
            entered.Set();
            leave.Wait();
        }

        public void Execute() => Run(); // Akka.NET 1.5's IRunnable is a work item of the thread pool
    }

#pragma warning disable MA0097 // How actor references compare is Akka.NET's affair.
    /// <summary>A subscriber without a mailbox, which counts its messages.</summary>
    private sealed class Told : MinimalActorRef
#pragma warning restore MA0097
    {
        private long _messages;

        public long Messages => Volatile.Read(ref _messages);

        public override ActorPath Path { get; } = new RootActorPath(Address.AllSystems) / "told";

        public override IActorRefProvider Provider => throw new NotSupportedException();

        protected override void TellInternal(object message, IActorRef sender) => Interlocked.Increment(ref _messages);
    }
}
