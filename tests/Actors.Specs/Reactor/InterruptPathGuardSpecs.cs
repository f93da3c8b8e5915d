using Akka.Actor;
using Akka.TestKit.Xunit2;
using Riser.Actors.Backends;
using Riser.Actors.Interrupts;
using Riser.Actors.Reactor;
using EpollReactor = Riser.Actors.Reactor.Reactor;

namespace Riser.Actors.Specs.Reactor;

/// <summary>
/// What one interrupt costs between its eventfd and the subscriber's count, in exact numbers. The subscriber signals the next interrupt
/// itself, so that all of it is on the loop's thread and is counted; its own write is in the figures, as said there.
/// </summary>
public sealed class InterruptPathGuardSpecs : TestKit
{
    private const int Interrupts = 12_800; // in a window
    private const int Windows = 5; // the runtime itself allocates once in a while, e.g. when it compiles a method anew: the best counts
    private const int Around = 40; // system calls with which a window begins and ends, however long it is

    private readonly EventLoop _loop;
    private readonly NativeThread _thread;

    public InterruptPathGuardSpecs()
        : base("riser.reactor.polling.longest = off")
    {
        _loop = EpollReactor.For(Sys).Assign();
        _thread = _loop.On(() => new NativeThread());
    }

    [Theory]
    [InlineData(1, InterruptCounting.Exact, false)]
    [InlineData(1, InterruptCounting.EdgeOnly, false)]
    [InlineData(64, InterruptCounting.Exact, false)]
    [InlineData(64, InterruptCounting.EdgeOnly, false)]
    [InlineData(64, InterruptCounting.Exact, true)]
    [InlineData(64, InterruptCounting.EdgeOnly, true)]
    public void Interrupt_allocates_nothing_and_stays_on_its_thread(int vectors, InterruptCounting counting, bool together)
    {
        using var path = new Path(this, vectors, counting, together);

        var windows = path.Run(Windows);

        Assert.Equal(0, windows.Min(w => w.Bytes)); // one object for each interrupt would be 24 bytes times 12,800 in every window
        Assert.All(windows, w => Assert.Equal(0, w.HandOvers));
        Assert.All(windows, w => Assert.Equal(Interrupts, w.Taken));
        Assert.All(windows, w => Assert.Equal(together ? Interrupts / vectors : Interrupts, w.Messages));
    }

    /// <summary>As the kernel counts reads and writes, and the loop its calls of epoll_wait.</summary>
    [Theory]
    [InlineData(1, InterruptCounting.Exact, false, 1)]
    [InlineData(1, InterruptCounting.EdgeOnly, false, 0)]
    [InlineData(64, InterruptCounting.Exact, false, 1)]
    [InlineData(64, InterruptCounting.EdgeOnly, false, 0)]
    [InlineData(64, InterruptCounting.Exact, true, 1)]
    [InlineData(64, InterruptCounting.EdgeOnly, true, 0)]
    public void Interrupt_is_read_once_for_an_exact_count_and_waited_for_once_with_all_that_came_together(int vectors, InterruptCounting counting, bool together, int reads)
    {
        using var path = new Path(this, vectors, counting, together);
        path.Run(1);
        long waits = _loop.Waits;
        var (readBefore, writtenBefore) = (_thread.Reads, _thread.Writes);

        path.Run(1);

        AssertEach(1, _loop.Waits - waits, Interrupts / vectors);
        AssertEach(reads, _thread.Reads - readBefore, Interrupts);
        AssertEach(1, _thread.Writes - writtenBefore, Interrupts); // the subscriber's own
    }

    /// <summary>All system calls of the thread, as the kernel's tracepoint counts them: epoll_ctl, futex and what else there may be.</summary>
    [SkippableTheory]
    [InlineData(InterruptCounting.Exact, 3)] // epoll_wait, read, and the subscriber's write
    [InlineData(InterruptCounting.EdgeOnly, 2)]
    public void Interrupt_costs_no_other_system_call(InterruptCounting counting, int calls)
    {
        using var counter = SyscallCounter.Open(_thread.Id, out string refusal);
        Skip.If(counter is null, refusal);
        using var path = new Path(this, 1, counting);
        path.Run(1);

        var windows = Enumerable.Range(0, Windows).Select(_ =>
        {
            long before = counter.Count;
            path.Run(1);
            return counter.Count - before;
        }).ToList();

        AssertEach(calls, windows.Min(), Interrupts);
    }

    private static void AssertEach(int expected, long counted, int times) => Assert.InRange(counted, expected * times, (expected * times) + Around);

    private sealed record Window(long Bytes, long HandOvers, long Messages, long Taken);

    /// <summary>The product's path, from eventfds to one subscriber.</summary>
    private sealed class Path : IDisposable
    {
        private readonly TestKit _kit;
        private readonly VectorChannel[] _channels;
        private readonly IActorRef _subscriber;

        public Path(InterruptPathGuardSpecs kit, int vectors, InterruptCounting counting, bool together = false)
        {
            _kit = kit;
            var device = DeviceId.Parse("sim:guard");
            _channels = [.. Enumerable.Range(0, vectors).Select(v => new VectorChannel(device, VectorKind.MsiX, v, kit._loop))];
            _subscriber = kit.Sys.ActorOf(Props.Create(() => new Subscriber(_channels, kit.TestActor)).WithDispatcher("riser.reactor-dispatcher"));
            var set = together ? new InterruptSet(vectors) : null;
            foreach (var channel in _channels)
            {
                channel.SendAs(_subscriber);
                channel.Subscribe(_subscriber, counting, set: set);
            }

            Run(1); // methods are compiled, queues grow
        }

        /// <summary>Runs that many windows, one after the other; nothing is under way before and after.</summary>
        public List<Window> Run(int windows) => [.. Enumerable.Range(0, windows).Select(_ =>
        {
            _subscriber.Tell(this, ActorRefs.NoSender);
            return _kit.ExpectMsg<Window>(LoopDriver.Patience);
        })];

        public void Dispose()
        {
            foreach (var channel in _channels)
                channel.Dispose();
        }
    }

    private sealed class Subscriber(VectorChannel[] channels, IActorRef report) : UntypedActor
    {
        private int _messages;
        private int _taken;
        private int _handOvers;
        private int _thread;
        private long _before;

        protected override void OnReceive(object message)
        {
            if (_thread != Environment.CurrentManagedThreadId)
                (_thread, _handOvers) = (Environment.CurrentManagedThreadId, _handOvers + 1);
            switch (message)
            {
                case InterruptSignal signal:
                    _messages++;
                    signal.Take();
                    Taken();
                    break;
                case InterruptSet set:
                    _messages++;
                    foreach (var _ in set.Take())
                        Taken();
                    break;
                default:
                    (_messages, _taken, _handOvers) = (0, 0, 0);
                    _before = GC.GetAllocatedBytesForCurrentThread();
                    SignalAll();
                    break;
            }
        }

        private void Taken()
        {
            _taken++;
            if (_taken == Interrupts)
            {
                long bytes = GC.GetAllocatedBytesForCurrentThread() - _before; // before the report itself is made
                report.Tell(new Window(bytes, _handOvers, _messages, _taken));
            }
            else if (_taken % channels.Length == 0)
            {
                SignalAll();
            }
        }

        private void SignalAll()
        {
            foreach (var channel in channels)
                channel.EventFd.Signal();
        }
    }
}
