namespace Riser.TestKits.Specs;

public sealed class TestActorRefSpecs : TestKit
{
    private readonly TestActorRef<Subject> _subject;

    public TestActorRefSpecs() => _subject = ActorOfAsTestActorRef<Subject>("subject");

    [Fact]
    public void UnderlyingActor_is_the_actor_itself()
    {
        _subject.Tell("a");
        _subject.Tell("b");

        Assert.Equal(2, _subject.UnderlyingActor.Received);
    }

    [Fact]
    public void Tell_runs_the_actor_before_it_returns()
    {
        _subject.Tell("x", TestActor);

        ExpectMsg("x", TimeSpan.Zero);
    }

    [Fact]
    public void Tell_without_a_sender_tells_as_the_test()
    {
        _subject.Tell("x");

        ExpectMsg("x", TimeSpan.Zero);
    }

    [Fact]
    public void Receive_lets_what_the_actor_throws_through() =>
        Assert.Throws<InvalidOperationException>(() => _subject.Receive("throw"));

    [Fact]
    public void Receive_hands_over_the_sender()
    {
        _subject.Receive("x", TestActor);

        ExpectMsg("x", TimeSpan.Zero);
    }

    [Fact]
    public void Reference_stands_where_an_actor_reference_is_wanted()
    {
        IActorRef reference = _subject;

        Watch(reference);
        reference.Tell("stop", TestActor);

        ExpectTerminated(_subject);
        Assert.Equal("akka://test/user/subject", _subject.Path.ToString());
    }

    [Fact]
    public void Factory_and_supervisor_can_be_given()
    {
        var child = ActorOfAsTestActorRef<Subject>(Subject.Props(), _subject, "child");

        Assert.Equal("akka://test/user/subject/child", child.Path.ToString());
        Assert.Equal(0, ActorOfAsTestActorRef(() => new Subject()).UnderlyingActor.Received);
    }

    [Fact]
    public void A_restart_replaces_the_actor()
    {
        var before = _subject.UnderlyingActor;

        EventFilter.Exception<InvalidOperationException>().ExpectOne(() => _subject.Tell("throw"));

        AwaitCondition(() => !ReferenceEquals(before, _subject.UnderlyingActor) && _subject.UnderlyingActor is not null);
    }
}
