using Akka.Actor;
using Akka.TestKit.Xunit2;
using Riser.Actors.Interop;
using Riser.Actors.Reactor;
using static Riser.Actors.Specs.Reactor.LoopDriver;
using EpollReactor = Riser.Actors.Reactor.Reactor;

namespace Riser.Actors.Specs.Reactor;

public sealed class ReactorDispatcherSpecs : TestKit
{
    private readonly EpollReactor _reactor;

    public ReactorDispatcherSpecs()
        : base("riser.reactor.threads = 2")
    {
        _reactor = EpollReactor.For(Sys);
    }

    [Fact]
    public void Reactor_is_one_for_each_system_with_the_threads_of_its_configuration()
    {
        Assert.Same(_reactor, EpollReactor.For(Sys));
        Assert.Equal(["riser-reactor-0", "riser-reactor-1"], _reactor.Loops.Select(l => l.Name));
    }

    [Fact]
    public void Reactor_assigns_the_loop_with_the_fewest_eventfds()
    {
        using var first = _reactor.Loops[0].Register(() => { });
        Assert.Same(_reactor.Loops[1], _reactor.Assign());
        Assert.Same(_reactor.Loops[1], _reactor.Assign());

        using var second = _reactor.Loops[1].Register(() => { });
        Assert.NotSame(_reactor.Assign(), _reactor.Assign());
    }

    [Fact]
    public void Actor_runs_on_the_thread_of_the_loop_that_told_it()
    {
        var actor = Sys.ActorOf(WhereAmI.Props());
        actor.Tell("where", TestActor);
        ExpectMsg<EventLoop>();

        foreach (var loop in _reactor.Loops)
        {
            foreach (var any in _reactor.Loops)
                any.Settle(); // its mailbox is idle: one that runs or waits already is not moved
            using var source = loop.Register(() => actor.Tell("where", TestActor));
            source.EventFd.Signal();
            Assert.Same(loop, ExpectMsg<EventLoop>());
        }
    }

    [Fact]
    public void Actor_that_is_told_from_outside_stays_with_one_loop()
    {
        var actor = Sys.ActorOf(WhereAmI.Props());
        var loops = new HashSet<EventLoop>();

        for (int i = 0; i < 50; i++)
        {
            actor.Tell("where", TestActor);
            loops.Add(ExpectMsg<EventLoop>());
        }

        Assert.Contains(Assert.Single(loops), _reactor.Loops);
    }

    [Fact]
    public void Actor_that_crashes_is_restarted_and_the_reactor_goes_on()
    {
        var actor = Sys.ActorOf(WhereAmI.Props());

        actor.Tell(new InvalidTimeZoneException("of the spec"));
        actor.Tell("where", TestActor);

        Assert.Contains(ExpectMsg<EventLoop>(), _reactor.Loops);
    }

    [Fact]
    public async Task Actor_awaits_on_its_own_mailbox()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Asynchronous()).WithDispatcher("riser.reactor-dispatcher"));

        var (before, after) = await actor.Ask<(EventLoop? Before, EventLoop? After)>("go", Patience);

        Assert.Contains(before, _reactor.Loops);
        Assert.Contains(after, _reactor.Loops);
    }

    [Fact]
    public async Task Reactor_stops_with_its_system_after_the_last_mailbox()
    {
        var actors = Enumerable.Range(0, 100).Select(_ => Sys.ActorOf(WhereAmI.Props())).ToList();
        var left = _reactor.Assign().Register(() => { });
        foreach (var actor in actors)
            actor.Tell("where", ActorRefs.NoSender);

        await Sys.Terminate();

        Assert.True(left.EventFd.IsClosed);
        using var eventFd = EventFdHandle.Create();
        Assert.All(_reactor.Loops, loop => Assert.Throws<ObjectDisposedException>(() => loop.Register(eventFd, new Handler(() => { }))));
        Assert.All(_reactor.Loops, loop => Assert.Null(loop.On(() => EventLoop.Current)));
    }

    private sealed class WhereAmI : UntypedActor
    {
        public static Props Props() => Akka.Actor.Props.Create(() => new WhereAmI()).WithDispatcher("riser.reactor-dispatcher");

        protected override void OnReceive(object message)
        {
            if (message is Exception fault)
                throw fault;
            Sender.Tell(EventLoop.Current!);
        }
    }

    private sealed class Asynchronous : ReceiveActor
    {
        public Asynchronous() => ReceiveAsync<string>(async _ =>
        {
            var before = EventLoop.Current;
            await Task.Yield();
            Sender.Tell((before, EventLoop.Current));
        });
    }
}
