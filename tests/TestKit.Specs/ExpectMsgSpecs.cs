using static Riser.TestKits.Specs.Short;

namespace Riser.TestKits.Specs;

public sealed class ExpectMsgSpecs : TestKit
{
    [Fact]
    public void ExpectMsg_returns_the_next_message_of_the_type()
    {
        TestActor.Tell(5);
        TestActor.Tell("x");

        Assert.Equal(5, ExpectMsg<int>());
        Assert.Equal("x", ExpectMsg<string>());
    }

    [Fact]
    public void ExpectMsg_takes_a_subtype()
    {
        TestActor.Tell(new ArgumentNullException("x"));

        ExpectMsg<ArgumentException>();
    }

    [Fact]
    public void ExpectMsg_remembers_message_and_sender()
    {
        var sender = CreateTestProbe();
        TestActor.Tell("x", sender);

        ExpectMsg("x");

        Assert.Equal("x", LastMessage);
        Assert.Equal(sender.Ref, LastSender);
    }

    [Fact]
    public void ExpectMsg_fails_with_type_and_time_when_nothing_comes() =>
        Assert.Equal("Failed: Timeout 00:00:00.0500000 while waiting for a message of type System.Int32 HINT", Failure(() => ExpectMsg<int>(Wait, "HINT")));

    [Fact]
    public void ExpectMsg_fails_with_both_types_message_and_sender_when_another_type_comes()
    {
        TestActor.Tell("{x}");

        string text = Failure(() => ExpectMsg<int>(Wait, "HINT"));

        Assert.StartsWith("Failed: Expected a message of type System.Int32, but received {{x}} (type System.String) instead HINT from [akka://test/system/testActor", text);
    }

    [Fact]
    public void ExpectMsg_fails_with_both_values_when_another_value_comes()
    {
        TestActor.Tell(4);

        Assert.Equal($"Assert.Equal() Failure: {Environment.NewLine}Expected: 5{Environment.NewLine}Actual:   4", Failure(() => ExpectMsg(5, Wait)));
    }

    [Fact]
    public void ExpectMsg_compares_collections_by_their_items()
    {
        TestActor.Tell(new[] { 1, 2 });

        ExpectMsg<int[]>([1, 2]);
    }

    [Fact]
    public void ExpectMsg_compares_by_a_given_comparer()
    {
        TestActor.Tell(4);
        TestActor.Tell(4);

        ExpectMsg(14, (expected, actual) => expected % 10 == actual);
        Assert.Contains("HINT", Failure(() => ExpectMsg(15, (expected, actual) => expected % 10 == actual, hint: "HINT")));
    }

    [Fact]
    public void ExpectMsg_asks_a_predicate()
    {
        TestActor.Tell(4);
        TestActor.Tell(4);
        TestActor.Tell(4);

        ExpectMsg<int>(message => message == 4);
        Assert.Equal(
            "Got a message of the expected type <System.Int32>. Also expected the predicate to return true but the message {4} of type <System.Int32> did not match",
            Failure(() => ExpectMsg<int>(message => message == 5)));
        Assert.Contains("Also expected HINT but", Failure(() => ExpectMsg<int>(message => message == 5, hint: "HINT")));
    }

    [Fact]
    public void ExpectMsg_asks_a_predicate_about_message_and_sender()
    {
        var sender = CreateTestProbe();
        TestActor.Tell(4, sender);
        TestActor.Tell(4, TestActor);

        ExpectMsg<int>((message, from) => message == 4 && from.Equals(sender.Ref));
        Assert.Contains("from [akka://test/system/testActor", Failure(() => ExpectMsg<int>((_, from) => from.Equals(sender.Ref))));
    }

    [Fact]
    public void ExpectMsg_lets_the_failure_of_an_assertion_through()
    {
        TestActor.Tell(4);
        TestActor.Tell(4, TestActor);

        Assert.Contains("Expected: 5", Failure(() => ExpectMsg<int>(message => Assert.Equal(5, message))));
        ExpectMsg<int>((message, sender) => Assert.Equal((4, TestActor), (message, sender)));
    }

    [Fact]
    public void ExpectMsgFrom_wants_that_sender()
    {
        var (right, wrong) = (CreateTestProbe(), CreateTestProbe());
        TestActor.Tell(1, right);
        TestActor.Tell(2, right);
        TestActor.Tell(3, wrong);

        ExpectMsgFrom<int>(right);
        ExpectMsgFrom(right, 2);
        Assert.Contains("Sender does not match", Failure(() => ExpectMsgFrom<int>(right)));
    }

    [Fact]
    public void ExpectNoMsg_passes_in_silence() => ExpectNoMsg(Wait);

    [Fact]
    public void ExpectNoMsg_fails_with_the_message_that_came()
    {
        TestActor.Tell("x", TestActor);

        string text = Failure(() => ExpectNoMsg(50));

        Assert.StartsWith("Failed: Expected no messages during 00:00:00.0500000, instead we received <x> from [akka://test/system/testActor", text);
    }

    [Fact]
    public void ExpectTerminated_sees_the_end_of_a_watched_actor()
    {
        var subject = Watch(Sys.ActorOf(Subject.Props()));

        subject.Tell("stop");

        Assert.Equal(subject, ExpectTerminated(subject).ActorRef);
    }

    [Fact]
    public void ExpectTerminated_fails_when_it_lives_or_another_ended()
    {
        var (living, ended) = (Watch(Sys.ActorOf(Subject.Props())), Watch(Sys.ActorOf(Subject.Props())));
        ended.Tell("stop");

        Assert.Contains($"Terminated {living}. HINT", Failure(() => ExpectTerminated(living, hint: "HINT")));
        Assert.Contains("of type Akka.Actor.Terminated Terminated " + living, Failure(() => ExpectTerminated(living, Wait)));
    }

    [Fact]
    public void Unwatch_ends_the_interest()
    {
        var subject = Watch(Sys.ActorOf(Subject.Props()));
        Unwatch(subject);
        var other = CreateTestProbe();
        other.Watch(subject);

        subject.Tell("stop");

        other.ExpectTerminated(subject);
        ExpectNoMsg(Wait);
    }
}
