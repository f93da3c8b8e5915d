using Riser.Actors.Backends;
using Riser.Actors.Interrupts;
using Riser.Host.Exercise;

namespace Riser.Host.Specs.Exercise;

public sealed class TriggerLoadSpecs
{
    [Fact]
    public void Load_takes_every_vector_in_turn()
    {
        var port = new FakePort(vectors: 3);
        var load = new TriggerLoad();

        load.Begin(port);
        load.Answered(FakePort.Triggered(0, 16));

        Assert.Equal([(0, 16), (1, 16), (2, 16), (0, 16), (1, 16)], port.Take());
        Assert.Equal(16, load.Triggered);
    }

    [Fact]
    public void Load_is_idle_when_it_was_stopped_and_all_is_answered()
    {
        var load = new TriggerLoad();
        load.Begin(new FakePort(vectors: 8));

        load.Stop();
        Assert.False(load.IsIdle);
        for (int i = 0; i < 4; i++)
            load.Answered(FakePort.Triggered(i, 16));

        Assert.True(load.IsIdle);
        Assert.Equal(64, load.Triggered);
    }

    [Fact]
    public void Load_is_in_doubt_about_what_a_lost_session_was_asked()
    {
        var load = new TriggerLoad();
        load.Begin(new FakePort(vectors: 8));

        load.Answered(new InterruptProtocol.SessionLost(0, 1, SessionFailure.CallFailed, new InterruptProtocol.Trigger(16)));
        load.Lost();

        Assert.Equal((0, 16), (load.Triggered, load.InDoubt));
        Assert.True(load.IsIdle);
    }

    [Fact]
    public void Load_is_idle_when_there_is_no_vector()
    {
        var load = new TriggerLoad();
        load.Begin(new FakePort(vectors: 0));

        Assert.Null(load.Problem);
        Assert.True(load.IsIdle);
    }
}
