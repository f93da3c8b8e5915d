using static Riser.TestKits.Specs.Short;

namespace Riser.TestKits.Specs;

public sealed class TestProbeSpecs : TestKit
{
    private readonly TestProbe _probe;

    public TestProbeSpecs() => _probe = CreateTestProbe("probe");

    [Fact]
    public void Probe_is_a_reference_equal_to_its_actor()
    {
        IActorRef reference = _probe;

        reference.Tell("x");

        _probe.ExpectMsg("x");
        Assert.True(_probe.Equals(_probe.Ref) && _probe.Ref.Equals(_probe));
        Assert.Equal(_probe.GetHashCode(), _probe.Ref.GetHashCode());
        Assert.StartsWith("TestProbe([akka://test/system/probe#", _probe.ToString());
    }

    [Fact]
    public void Probe_has_a_queue_of_its_own()
    {
        _probe.Tell("x");

        ExpectNoMsg(Wait);
        _probe.ExpectMsg("x");
    }

    [Fact]
    public void Reply_goes_to_the_last_sender_from_the_probe()
    {
        _probe.Tell("question");
        _probe.ExpectMsg("question");

        _probe.Reply("answer");

        ExpectMsgFrom(_probe.Ref, "answer");
        Assert.Equal(TestActor, _probe.Sender);
    }

    [Fact]
    public void Reply_throws_when_nothing_was_received() => Assert.Throws<IllegalActorStateException>(() => _probe.Reply("x"));

    [Fact]
    public void Send_tells_as_the_probe()
    {
        _probe.Send(Sys.ActorOf(Subject.Props()), "echo");

        _probe.ExpectMsg("echo");
    }

    [Fact]
    public void Forward_keeps_the_first_sender()
    {
        var (first, target) = (CreateTestProbe(), CreateTestProbe());
        first.Send(_probe, "x");
        _probe.ExpectMsg("x");

        _probe.Forward(target);
        _probe.Forward(target, "y");

        target.ExpectMsgFrom(first.Ref, "x");
        target.ExpectMsgFrom(first.Ref, "y");
    }

    [Fact]
    public void Probe_is_never_the_implicit_sender()
    {
        Sys.ActorOf(Subject.Props()).Tell("echo");

        ExpectMsg("echo");
    }

    [Fact]
    public void Watch_reports_the_end_of_a_probe()
    {
        Watch(_probe);

        Sys.Stop(_probe);

        ExpectTerminated(_probe);
    }

    [Fact]
    public void AutoPilot_answers_until_it_says_otherwise()
    {
        int runs = 0;
        _probe.SetAutoPilot(new DelegateAutoPilot((sender, message) =>
        {
            sender.Tell("auto " + message);
            return ++runs < 2 ? AutoPilot.KeepRunning : AutoPilot.NoAutoPilot;
        }));

        foreach (int number in new[] { 1, 2, 3 })
            _probe.Tell(number);

        ExpectMsg("auto 1");
        ExpectMsg("auto 2");
        ExpectNoMsg(Wait);
        Assert.Equal([1, 2, 3], _probe.ReceiveN(3));
    }

    [Fact]
    public void ChildActorOf_starts_a_child_of_the_probe()
    {
        var child = _probe.ChildActorOf(Subject.Props(), "child");

        Assert.Equal(_probe.Ref.Path / "child", child.Path);
        _probe.Send(child, "echo");
        _probe.ExpectMsg("echo");
    }

    [Fact]
    public void ChildActorOf_supervises_by_the_given_strategy()
    {
        var child = Watch(ChildActorOf(Subject.Props(), SupervisorStrategy.StoppingStrategy));

        child.Tell("throw");

        ExpectTerminated(child);
    }
}
