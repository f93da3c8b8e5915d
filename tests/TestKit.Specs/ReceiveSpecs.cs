using System.Collections;
using static Riser.TestKits.Specs.Short;

namespace Riser.TestKits.Specs;

public sealed class ReceiveSpecs : TestKit
{
    private void Tell(params object[] messages) => Array.ForEach(messages, message => TestActor.Tell(message));

    [Fact]
    public void ReceiveOne_returns_null_when_nothing_comes() => Assert.Null(ReceiveOne(Wait));

    [Fact]
    public void LastMessage_throws_when_the_last_receive_got_nothing()
    {
        ReceiveOne(TimeSpan.Zero);

        Assert.Throws<IllegalActorStateException>(() => LastMessage);
        Assert.Throws<IllegalActorStateException>(() => LastSender);
    }

    [Fact]
    public void TryReceiveOne_says_whether_it_got_one()
    {
        Tell("x");

        Assert.True(TryReceiveOne(out var envelope, TimeSpan.Zero));
        Assert.Equal("x", envelope.Message);
        Assert.False(TryReceiveOne(out _, TimeSpan.Zero));
    }

    [Fact]
    public void PeekOne_leaves_the_message()
    {
        Tell("x");

        Assert.Equal("x", PeekOne(TimeSpan.Zero));
        Assert.True(HasMessages);
        ExpectMsg("x");
        Assert.False(HasMessages);
    }

    [Fact]
    public void ReceiveN_returns_so_many_in_order()
    {
        Tell(1, 2, 3);

        Assert.Equal([1, 2], ReceiveN(2));
        ExpectMsg(3);
    }

    [Fact]
    public void ReceiveN_fails_with_how_many_came()
    {
        Tell(1);

        Assert.StartsWith("Timeout (00:00:00.0500000) while expecting 2 messages. Only got 1 after ", Failure(() => ReceiveN(2, Wait)));
    }

    [Fact]
    public void FishForMessage_drops_what_comes_before()
    {
        Tell("a", 1, 2, 3);
        var dropped = new ArrayList { "old" };

        Assert.Equal(2, FishForMessage<int>(message => message == 2, dropped));
        Assert.Equal(new object[] { "a", 1 }, dropped.ToArray());
        Assert.Equal(3, FishForMessage(message => message is 3));
    }

    [Fact]
    public void FishForMessage_fails_with_its_hint() =>
        Assert.Equal("Timeout (00:00:00.0500000) during fishForMessage, hint: HINT", Failure(() => FishForMessage<int>(_ => true, Wait, "HINT")));

    [Fact]
    public void ReceiveWhile_leaves_the_first_that_does_not_please()
    {
        Tell(1, 2, 3, "x");

        Assert.Equal([1, 2], ReceiveWhile<int>(message => message < 3));
        ExpectMsg(3);
    }

    [Fact]
    public void ReceiveWhile_drops_or_keeps_other_types_as_told()
    {
        Tell(1, "x", 4);
        Assert.Equal([1, 4], ReceiveWhile<int>(_ => true, msgs: 2));

        Tell(1, "x", 4);
        Assert.Equal([1], ReceiveWhile<int>(_ => true, shouldIgnoreOtherMessageTypes: false));
        ExpectMsg("x");
    }

    [Fact]
    public void ReceiveWhile_ends_at_a_number_of_messages()
    {
        Tell(1, 2, 3);

        Assert.Equal([1, 2], ReceiveWhile<int>(_ => true, msgs: 2));
    }

    [Fact]
    public void ReceiveWhile_collects_what_a_function_makes_of_messages()
    {
        Tell(1, 2, "x");

        Assert.Equal(["1", "2"], ReceiveWhile(message => message is int number ? number.ToString() : null!));
        ExpectMsg("x");
    }

    [Fact]
    public void ExpectMsgAnyOf_takes_one_of_them()
    {
        Tell(2, 3);

        Assert.Equal(2, ExpectMsgAnyOf<int>([1, 2]));
        Assert.Equal("ExpectMsgAnyOf found unexpected 3", Failure(() => ExpectMsgAnyOf<int>([1, 2])));
    }

    [Fact]
    public void ExpectMsgAllOf_takes_them_in_any_order()
    {
        Tell(2, 1);

        Assert.Equal([2, 1], ExpectMsgAllOf(1, 2));
    }

    [Fact]
    public void ExpectMsgAllOf_fails_with_what_is_missing_and_what_is_extra()
    {
        Tell(3, 1);

        Assert.Equal("not found [2] found unexpected [3]", Failure(() => ExpectMsgAllOf(Wait, 1, 2)));
        Assert.StartsWith("Timeout (00:00:00.0500000) while expecting 2 messages. Only got 0", Failure(() => ExpectMsgAllOf(Wait, 1, 2)));
    }

    [Fact]
    public void IgnoreMessages_keeps_them_out_of_the_queue()
    {
        IgnoreMessages(message => message is int);
        Tell(1, "a");
        ExpectMsg("a");

        IgnoreMessages<int>(message => message == 2);
        Tell(2, 3);
        ExpectMsg(3);

        IgnoreMessages<string>();
        Tell("a", 2);
        ExpectMsg(2);

        IgnoreNoMessages();
        Tell("a");
        ExpectMsg("a");
    }
}
