using Akka.Actor;
using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Interrupts;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Interrupts;

/// <summary>The signal protocol under load: every signal is counted once, and no wake is lost.</summary>
public sealed class VectorChannelSpecs(ITestOutputHelper output)
    : Akka.TestKit.Xunit2.TestKit(ConfigurationFactory.ParseString("akka.loglevel = WARNING").WithFallback(DeviceRuntime.DefaultConfig), output: output)
{
    private static readonly DeviceId s_device = DeviceId.Parse("sim:pony");

    /// <summary>
    /// Two producers, a slow taker and a fast one, masks and drains in between. A protocol whose second look depends on the suspended flag
    /// loses a wake here and never ends.
    /// </summary>
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
