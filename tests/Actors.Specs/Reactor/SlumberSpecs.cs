using Riser.Actors.Reactor;

namespace Riser.Actors.Specs.Reactor;

public sealed class SlumberSpecs
{
    private readonly Slumber _slumber = new();

    [Fact]
    public void Nothing_is_owed_to_a_thread_that_is_awake() => Assert.Equal(Slumber.Duty.None, _slumber.AfterGiving());

    [Fact]
    public void Thread_does_not_sleep_when_there_is_work()
    {
        Assert.False(_slumber.TryFallAsleep(() => true));
        Assert.Equal(Slumber.Duty.None, _slumber.AfterGiving());
    }

    [Fact]
    public void Thread_that_sleeps_is_woken_by_one_and_not_by_all()
    {
        Assert.True(_slumber.TryFallAsleep(() => false));

        Assert.Equal(Slumber.Duty.Wake, _slumber.AfterGiving());
        Assert.Equal(Slumber.Duty.None, _slumber.AfterGiving());
    }

    [Fact]
    public void Thread_stays_awake_when_work_comes_after_its_first_look()
    {
        bool work = false;

        bool sleeps = _slumber.TryFallAsleep(() =>
        {
            bool seen = work;
            if (!work)
            {
                work = true; // another thread, just after the look
                Assert.Equal(Slumber.Duty.None, _slumber.AfterGiving());
            }

            return seen;
        });

        Assert.False(sleeps);
        Assert.Equal(Slumber.Duty.None, _slumber.AfterGiving());
    }

    [Fact]
    public void Thread_that_is_gone_takes_no_work()
    {
        _slumber.Leave();

        Assert.Equal(Slumber.Duty.HandOver, _slumber.AfterGiving());
        Assert.Equal(Slumber.Duty.HandOver, _slumber.AfterGiving());
    }
}
