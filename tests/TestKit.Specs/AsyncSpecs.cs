using static Riser.TestKits.Specs.Short;

namespace Riser.TestKits.Specs;

public sealed class AsyncSpecs : TestKit
{
    private readonly IActorRef _subject;

    public AsyncSpecs() => _subject = Sys.ActorOf(Subject.Props());

    [Fact]
    public async Task Implicit_sender_survives_an_await()
    {
        await Task.Delay(1);
        _subject.Tell("a");
        await ExpectMsgAsync("a");

        await Task.Run(() => { });
        _subject.Tell("b");
        ExpectMsg("b");
    }

    [Fact]
    public async Task ExpectMsgAsync_returns_or_fails_as_ExpectMsg_does()
    {
        TestActor.Tell(1);
        TestActor.Tell(2);
        TestActor.Tell(3);
        TestActor.Tell("x");

        Assert.Equal(1, await ExpectMsgAsync<int>());
        await ExpectMsgAsync<int>(message => message == 2);
        Assert.Contains("Expected: 4", await FailureAsync(async () => await ExpectMsgAsync(4)));
        Assert.Contains("but received {x} (type System.String)", await FailureAsync(async () => await ExpectMsgAsync<int>()));
        Assert.Equal("Failed: Timeout 00:00:00.0500000 while waiting for a message of type System.Int32 ", await FailureAsync(async () => await ExpectMsgAsync<int>(Wait)));
    }

    [Fact]
    public async Task ExpectNoMsgAsync_wants_silence()
    {
        await ExpectNoMsgAsync(Wait);
        TestActor.Tell("x");

        Assert.Contains("instead we received <x>", await FailureAsync(async () => await ExpectNoMsgAsync(Wait)));
    }

    [Fact]
    public async Task ExpectTerminatedAsync_sees_the_end()
    {
        await WatchAsync(_subject);
        _subject.Tell("stop");

        await ExpectTerminatedAsync(_subject);
    }

    [Fact]
    public async Task ReceiveOneAsync_returns_null_when_nothing_comes()
    {
        Assert.Null(await ReceiveOneAsync(Wait));
        TestActor.Tell("x");
        Assert.Equal("x", await ReceiveOneAsync());
    }

    [Fact]
    public async Task FishForMessageAsync_drops_what_comes_before()
    {
        TestActor.Tell("a");
        TestActor.Tell(2);

        Assert.Equal(2, await FishForMessageAsync<int>(_ => true));
    }

    [Fact]
    public async Task AwaitAssertAsync_repeats_until_it_passes()
    {
        int looks = 0;

        await AwaitAssertAsync(() => Assert.True(++looks == 3), interval: TimeSpan.FromMilliseconds(1));

        Assert.Contains("Expected: 1", await FailureAsync(() => AwaitAssertAsync(() => Assert.Equal(1, 2), Wait)));
    }

    [Fact]
    public async Task AwaitConditionAsync_looks_until_it_holds()
    {
        int looks = 0;

        await AwaitConditionAsync(() => ++looks == 3, Seconds(3), TimeSpan.FromMilliseconds(1));

        Assert.Equal(
            "Timeout 00:00:00.0500000 expired while waiting for condition.MESSAGE",
            await FailureAsync(() => AwaitConditionAsync(() => false, Wait, Wait, "MESSAGE")));
    }

    [Fact]
    public async Task WithinAsync_bounds_the_expectations_inside_it()
    {
        // The original wraps the failure in AggregateExceptions.
        var failure = await Assert.ThrowsAnyAsync<Exception>(() => WithinAsync(Wait, async () => { await ExpectMsgAsync<int>(); }));

        Assert.Contains("Failed: Timeout 00:00:00.", failure.ToString());
    }
}
