using Akka.Actor;
using Akka.Dispatch;
using Akka.TestKit.Xunit2;
using Riser.Actors.Reactor;

namespace Riser.Actors.Specs.Reactor;

public sealed class SmallMailboxSpecs : TestKit
{
    private readonly SmallMailbox.Queue _queue = new();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Queue_gives_back_in_order_what_it_was_given_however_it_grows_and_shrinks(int seed)
    {
        var random = new Random(seed);
        var model = new Queue<object>();
        for (int i = 0; i < 50_000; i++)
        {
            if (random.Next(100) < (i / 1_000 % 2 == 0 ? 60 : 40))
            {
                _queue.Enqueue(TestActor, new Envelope(i, TestActor));
                model.Enqueue(i);
            }
            else
            {
                Assert.Equal(model.TryDequeue(out object? expected), _queue.TryDequeue(out var envelope));
                Assert.Equal(expected, envelope.Message);
            }

            Assert.Equal((model.Count, model.Count > 0), (_queue.Count, _queue.HasMessages));
        }
    }

    [Fact]
    public async Task Queue_loses_nothing_of_several_threads_and_keeps_the_order_of_each()
    {
        const int Each = 50_000;
        var senders = Enumerable.Range(0, 3).Select(s => Task.Run(() =>
        {
            for (int i = 0; i < Each; i++)
                _queue.Enqueue(TestActor, new Envelope((s, i), TestActor));
        })).ToArray();

        int[] next = new int[senders.Length];
        while (next.Sum() < senders.Length * Each)
        {
            if (!_queue.TryDequeue(out var envelope))
            {
                await Task.Yield();
                continue;
            }
            var (sender, number) = ((int, int))envelope.Message;
            Assert.Equal(next[sender]++, number);
        }

        await Task.WhenAll(senders);
        Assert.False(_queue.HasMessages);
    }

    [Fact]
    public void Queue_hands_what_is_left_to_dead_letters()
    {
        var left = new SmallMailbox.Queue();
        for (int i = 0; i < 10; i++)
            _queue.Enqueue(TestActor, new Envelope(i, TestActor));

        _queue.CleanUp(TestActor, left);

        Assert.Equal((0, 10), (_queue.Count, left.Count));
    }

    [Fact]
    public void Devices_regions_and_vectors_have_small_mailboxes()
    {
        Riser.Actors.Reactor.Reactor.For(Sys); // adds reference.conf
        var actor = Sys.ActorOf(Props.Create(() => new Echo()).WithMailbox(SmallMailbox.Section));

        actor.Tell("hello", TestActor);

        ExpectMsg("hello");
        Assert.IsType<SmallMailbox>(Sys.Mailboxes.Lookup(SmallMailbox.Section));
    }

    private sealed class Echo : ReceiveActor
    {
        public Echo() => ReceiveAny(message => Sender.Tell(message));
    }
}
