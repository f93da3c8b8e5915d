using static Riser.TestKits.Specs.Short;

namespace Riser.TestKits.Specs;

public sealed class TestSchedulerSpecs() : TestKit("""akka.scheduler.implementation = "Akka.TestKit.TestScheduler, Akka.TestKit" """)
{
    private readonly List<string> _log = [];

    private TestScheduler Scheduler => (TestScheduler)Sys.Scheduler;

    [Fact]
    public void Nothing_runs_until_time_advances_past_it()
    {
        Scheduler.ScheduleTellOnce(Seconds(60), TestActor, "due", ActorRefs.NoSender);

        Scheduler.Advance(Seconds(59.9));
        Assert.False(HasMessages);
        Scheduler.Advance(Seconds(0.1));

        ExpectMsg("due", TimeSpan.Zero);
    }

    [Fact]
    public void Now_is_virtual()
    {
        var start = Scheduler.Now;

        Scheduler.Advance(Seconds(5));
        Scheduler.AdvanceTo(start + Seconds(7));

        Assert.Equal(Seconds(7), Scheduler.Now - start);
        Assert.Equal(Seconds(7), Sys.Scheduler.Now - start);
    }

    [Fact]
    public void AdvanceTo_does_not_go_back() =>
        Assert.Throws<InvalidOperationException>(() => Scheduler.AdvanceTo(Scheduler.Now - Seconds(1)));

    [Fact]
    public void Items_run_in_order_of_time_and_then_of_scheduling()
    {
        Once(2, "c");
        Once(1, "a");
        Once(1, "b");

        Scheduler.Advance(Seconds(2));

        Assert.Equal(["a", "b", "c"], _log);
    }

    [Fact]
    public void What_is_scheduled_meanwhile_waits_for_the_next_advance()
    {
        Scheduler.Advanced.ScheduleOnce(Seconds(1), () => Once(0, "inner"));

        Scheduler.Advance(Seconds(5));
        Assert.Empty(_log);
        Scheduler.Advance(TimeSpan.Zero);

        Assert.Equal(["inner"], _log);
    }

    [Fact]
    public void A_repeated_item_runs_once_an_advance_and_counts_from_there()
    {
        var start = Scheduler.Now;
        Scheduler.Advanced.ScheduleRepeatedly(Seconds(1), Seconds(2), () => _log.Add(((Scheduler.Now - start).TotalSeconds).ToString()));

        foreach (double step in new[] { 1, 1, 10, 1, 0.5, 0.5, 2 })
            Scheduler.Advance(Seconds(step));

        Assert.Equal(["1", "12", "14", "16"], _log);
    }

    [Fact]
    public void A_cancelled_message_is_not_told()
    {
        var once = new Cancelable((IScheduler)Scheduler);
        Scheduler.ScheduleTellOnce(Seconds(1), TestActor, "no", ActorRefs.NoSender, once);
        var repeated = Scheduler.ScheduleTellRepeatedlyCancelable(Seconds(1), Seconds(1), TestActor, "tick", ActorRefs.NoSender);
        once.Cancel();

        Scheduler.Advance(Seconds(1));
        ExpectMsg("tick", TimeSpan.Zero);
        repeated.Cancel();
        Scheduler.Advance(Seconds(1));

        Assert.False(HasMessages);
    }

    [Fact]
    public void CancelAfter_uses_virtual_time()
    {
        var cancelable = new Cancelable((IScheduler)Scheduler);
        cancelable.CancelAfter(Seconds(10));

        Scheduler.Advance(Seconds(10));

        AwaitCondition(() => cancelable.IsCancellationRequested);
    }

    [Fact]
    public void What_an_action_throws_reaches_the_test()
    {
        Scheduler.Advanced.ScheduleOnce(Seconds(1), () => throw new ArgumentException("x"));

        Assert.Throws<ArgumentException>(() => Scheduler.Advance(Seconds(1)));
    }

    [Fact]
    public void Timers_and_receive_timeouts_of_an_actor_follow_virtual_time()
    {
        var timed = Sys.ActorOf(Props.Create(() => new Timed(TestActor)));
        ExpectMsg("started");

        Scheduler.Advance(Seconds(60));
        ExpectMsg("tick");
        timed.Tell("wait");
        ExpectMsg("waiting");

        // A receive timeout starts when the actor is done with the message, which may be after it told "waiting".
        AwaitAssert(() =>
        {
            Scheduler.Advance(Seconds(60));
            ExpectMsg("timeout", Wait);
        });
    }

    [Fact]
    public void Expectations_use_real_time() =>
        Assert.StartsWith("Failed: Timeout 00:00:00.0500000 ", Failure(() => ExpectMsg<int>(Wait)));

    private void Once(double seconds, string what) => Scheduler.Advanced.ScheduleOnce(Seconds(seconds), () => _log.Add(what));

    private sealed class Timed(IActorRef test) : UntypedActor, IWithTimers
    {
        public ITimerScheduler Timers { get; set; } = null!;

        protected override void PreStart()
        {
            Timers.StartPeriodicTimer("key", "tick", TimeSpan.FromSeconds(60));
            test.Tell("started");
        }

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case "wait":
                    Timers.CancelAll();
                    SetReceiveTimeout(TimeSpan.FromSeconds(30));
                    test.Tell("waiting");
                    break;
                case ReceiveTimeout:
                    SetReceiveTimeout(null);
                    test.Tell("timeout");
                    break;
                default: test.Tell(message); break;
            }
        }
    }
}
