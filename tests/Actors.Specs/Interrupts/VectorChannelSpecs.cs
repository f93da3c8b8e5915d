using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Riser.Actors.Backends;
using Riser.Actors.Interop;
using Riser.Actors.Interrupts;
using Riser.Actors.Reactor;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Interrupts;

/// <summary>The signal protocol under load: every signal is counted once, and no wake is lost.</summary>
public sealed class VectorChannelSpecs(ITestOutputHelper output)
    : Akka.TestKit.Xunit2.TestKit(ConfigurationFactory.ParseString("akka.loglevel = WARNING").WithFallback(DeviceRuntime.DefaultConfig), output: output)
{
    private const int Bursts = 30_000;

    private static readonly DeviceId s_device = DeviceId.Parse("sim:pony");

    /// <summary>Two producers, a slow taker and a fast one, masks and drains in between: every signal is counted once for each.</summary>
    [Theory]
    [InlineData(1, 200_000)]
    [InlineData(2, 200_000)]
    [InlineData(3, 200_000)]
    public void Two_producers_and_slow_takers_lose_nothing(int seed, int signals)
    {
        using var channel = NewChannel();
        var slow = NewTaker(channel, "riser.session-dispatcher", spin: 200);
        var fast = NewTaker(channel, "riser.reactor-dispatcher", spin: 0);
        var producers = Enumerable.Range(0, 2).Select(p => Run(() =>
        {
            var random = new Random((seed * 31) + p);
            for (int i = 0; i < signals / 2; i++)
            {
                channel.EventFd.Signal();
                Thread.SpinWait(random.Next(60));
                if (p == 0 && random.Next(500) == 0)
                    channel.Drain();
                if (p == 1 && random.Next(500) == 0)
                {
                    channel.Mask(masked: true);
                    Thread.SpinWait(random.Next(300));
                    channel.Mask(masked: false);
                }
            }
        })).ToList();
        producers.ForEach(t => t.Join());

        foreach (var taker in new[] { slow, fast })
        {
            taker.Tell(signals, TestActor);
            ExpectMsg("all", TimeSpan.FromSeconds(60));
        }
        Assert.Equal(signals, channel.Drain());
    }

    /// <summary>The end of a burst is where wakes get lost: each round must be heard of without another signal to help.</summary>
    [Fact]
    public void The_last_signal_of_every_burst_is_heard()
    {
        using var channel = NewChannel();
        var taker = NewTaker(channel, "riser.session-dispatcher", spin: 20);
        var random = new Random(7);
        long sent = 0;
        for (int round = 0; round < 5_000; round++)
        {
            int burst = random.Next(1, 6);
            for (int i = 0; i < burst; i++)
            {
                channel.EventFd.Signal();
                Thread.SpinWait(random.Next(40));
            }
            sent += burst;
            taker.Tell((int)sent, TestActor);
            ExpectMsg("all", TimeSpan.FromSeconds(30), $"round {round}");
        }
    }

    /// <summary>
    /// Bursts against a taker that spins, with nothing beside them that could wake it: each burst must be heard to its end.
    /// </summary>
    [Fact]
    public void The_end_of_every_burst_is_heard_by_a_taker_that_spins()
    {
        using var channel = NewChannel();
        var hand = new Hand();
        channel.Subscribe(hand, InterruptCounting.Exact);
        using var stop = new CancellationTokenSource();
        var taker = Run(() => hand.TakeUntil(stop.Token));
        try
        {
            var random = new Random(11);
            long sent = 0;
            for (int round = 0; round < Bursts; round++)
            {
                int burst = random.Next(2, 6);
                for (int i = 0; i < burst; i++)
                {
                    channel.EventFd.Signal();
                    Thread.SpinWait(random.Next(30));
                }
                sent += burst;
                Assert.True(SpinWait.SpinUntil(() => hand.Taken >= sent, TimeSpan.FromSeconds(10)), $"burst {round}: {hand.Taken} of {sent} signals were heard");
                Assert.Equal(sent, hand.Taken);
            }
        }
        finally
        {
            stop.Cancel();
            taker.Join();
        }
    }

    /// <summary>The Take comes while the reactor stops listening: a second look that does not see it leaves the vector deaf.</summary>
    [Fact]
    public void A_take_that_slips_in_while_the_reactor_stops_listening_is_listened_for_again()
    {
        var interest = new Interest();
        using var channel = new VectorChannel(s_device, VectorKind.MsiX, 0, (_, _) => interest);
        var signal = channel.Subscribe(TestActor, InterruptCounting.Exact);
        channel.SendAs(TestActor);
        channel.EventFd.Signal();
        channel.OnSignal();
        channel.EventFd.Signal();
        interest.BeforeSuspend = () => Assert.Equal(2, signal.Take());

        channel.OnSignal(); // everybody has a message waiting, until the Take

        Assert.True(interest.IsListening);
    }

    /// <summary>
    /// As before, and the subscriber has its next message by the time of the second look: a flag that the first Take could clear, before the
    /// interest was gone, leaves the vector deaf after the second.
    /// </summary>
    [Fact]
    public void A_take_that_slips_in_and_is_followed_by_a_message_is_listened_for_after_the_next()
    {
        var interest = new Interest();
        using var channel = new VectorChannel(s_device, VectorKind.MsiX, 0, (_, _) => interest);
        var signal = channel.Subscribe(TestActor, InterruptCounting.Exact);
        channel.SendAs(TestActor);
        channel.EventFd.Signal();
        channel.OnSignal();
        interest.BeforeSuspend = () =>
        {
            Assert.Equal(1, signal.Take());
            channel.EventFd.Signal();
            channel.Drain(); // as Describe does: it tells the subscriber
        };
        channel.OnSignal();

        Assert.Equal(1, signal.Take());

        Assert.True(interest.IsListening);
    }

    [Fact]
    public void The_reactor_does_not_listen_while_everybody_has_a_message_waiting()
    {
        var interest = new Interest();
        using var channel = new VectorChannel(s_device, VectorKind.MsiX, 0, (_, _) => interest);
        var signal = channel.Subscribe(TestActor, InterruptCounting.Exact);
        channel.SendAs(TestActor);
        channel.EventFd.Signal();
        channel.OnSignal();
        Assert.True(interest.IsListening);

        channel.OnSignal();
        Assert.False(interest.IsListening);

        signal.Take();
        Assert.True(interest.IsListening);
    }

    [Fact]
    public void What_comes_while_a_subscription_is_being_answered_is_told_after_it()
    {
        var interest = new Interest();
        using var channel = new VectorChannel(s_device, VectorKind.MsiX, 0, (_, _) => interest);
        channel.SendAs(TestActor);

        channel.Subscribe(TestActor, InterruptCounting.Exact, _ =>
        {
            channel.EventFd.Signal();
            channel.OnSignal();
            Assert.False(interest.IsListening); // an eventfd that is resumed unread is reported again at once
            TestActor.Tell("answer", TestActor);
        });

        ExpectMsg("answer");
        Assert.True(interest.IsListening);
        channel.OnSignal();
        Assert.Equal(1, ExpectMsg<InterruptSignal>().Take());
    }

    /// <summary>A counter that one subscriber has read gives the reactor no edge for the other.</summary>
    [Fact]
    public void Who_collects_first_tells_the_others()
    {
        var loop = Riser.Actors.Reactor.Reactor.For(Sys).Assign();
        using var channel = new VectorChannel(s_device, VectorKind.MsiX, 0, loop);
        channel.SendAs(TestActor);
        var first = channel.Subscribe(CreateTestProbe().Ref, InterruptCounting.Exact);
        channel.Subscribe(TestActor, InterruptCounting.Exact);
        using var entered = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        loop.Post(new Hold(entered, leave)); // the reactor cannot see the edge before the first has read the counter
        entered.Wait();

        channel.EventFd.Signal(3);
        Assert.Equal(3, first.Take());
        leave.Set();

        Assert.Equal(3, ExpectMsg<InterruptSignal>().Take());
    }

    [Fact]
    public void Nothing_comes_after_the_channel_is_closed_and_its_descriptor_is_gone()
    {
        var channel = NewChannel();
        var signal = channel.Subscribe(TestActor, InterruptCounting.Exact);
        channel.EventFd.Signal(3);
        ExpectMsg<InterruptSignal>();
        channel.Dispose();
        channel.Dispose();
        Assert.Equal(3, signal.Take());
        Assert.Equal(0, signal.Take());
        Assert.True(channel.EventFd.IsClosed);
        channel.Mask(masked: false);
        ExpectNoMsg(TimeSpan.FromMilliseconds(20));
    }

    private VectorChannel NewChannel()
    {
        var channel = new VectorChannel(s_device, VectorKind.MsiX, 0, Riser.Actors.Reactor.Reactor.For(Sys).Assign());
        channel.SendAs(TestActor);
        return channel;
    }

    private IActorRef NewTaker(VectorChannel channel, string dispatcher, int spin)
    {
        var taker = Sys.ActorOf(Props.Create(() => new Taker(spin)).WithDispatcher(dispatcher));
        channel.Subscribe(taker, InterruptCounting.Exact);
        return taker;
    }

    private static Thread Run(Action work)
    {
        var thread = new Thread(() => work());
        thread.Start();
        return thread;
    }

    private sealed class Interest : ISignalInterest
    {
        public bool IsListening { get; private set; } = true;

        public Action BeforeSuspend { get; set; } = () => { };

        public void Suspend()
        {
            BeforeSuspend();
            IsListening = false;
        }

        public void Resume() => IsListening = true;

        public void Dispose() => IsListening = false;
    }

    private sealed class Hold(ManualResetEventSlim entered, ManualResetEventSlim leave) : IRunnable
    {
        public void Run()
        {
            entered.Set();
            leave.Wait();
        }

        public void Execute() => Run(); // Akka.NET 1.5's IRunnable is a work item of the thread pool
    }

#pragma warning disable MA0097 // How actor references compare is Akka.NET's affair; only some of its versions say IComparable where the analyzer sees it.
    /// <summary>A subscriber without a mailbox: its thread takes as soon as it is told, which is when the protocol is hardest pressed.</summary>
    private sealed class Hand : MinimalActorRef
#pragma warning restore MA0097
    {
        private InterruptSignal? _told;
        private long _taken;

        public long Taken => Volatile.Read(ref _taken);

        public override ActorPath Path { get; } = new RootActorPath(Address.AllSystems) / "hand";

        public override IActorRefProvider Provider => throw new NotSupportedException();

        public void TakeUntil(CancellationToken stop)
        {
            var random = new Random(5);
            while (!stop.IsCancellationRequested)
            {
                if (Interlocked.Exchange(ref _told, null) is not { } signal)
                    continue;
                Thread.SpinWait(random.Next(100));
                Volatile.Write(ref _taken, _taken + signal.Take());
            }
        }

        protected override void TellInternal(object message, IActorRef sender) => Volatile.Write(ref _told, (InterruptSignal)message);
    }

    private sealed class Taker(int spin) : UntypedActor
    {
        private long _taken;
        private (long Count, IActorRef Who)? _awaited;

        protected override void OnReceive(object message)
        {
            if (message is InterruptSignal signal)
            {
                Thread.SpinWait(spin);
                _taken += signal.Take();
            }
            else if (message is int count)
            {
                _awaited = (count, Sender);
            }
            if (_awaited is { } awaited && _taken >= awaited.Count)
            {
                awaited.Who.Tell(_taken == awaited.Count ? "all" : $"{_taken} of {awaited.Count}");
                _awaited = null;
            }
        }
    }
}
