using static Riser.TestKits.Specs.Short;

namespace Riser.TestKits.Specs;

public sealed class TimeSpecs() : TestKit("akka.test.timefactor = 2")
{
    [Fact]
    public void Dilated_scales_by_the_time_factor()
    {
        Assert.Equal(Wait * 2, Dilated(Wait));
        Assert.Equal(Seconds(6), RemainingOrDefault);
        Assert.Equal(Seconds(6), RemainingOrDilated(null));
        Assert.Equal(Wait, GetTimeoutOrDefault(Wait));
        Assert.StartsWith("Failed: Timeout 00:00:00.1000000 ", Failure(() => ExpectMsg<int>(Wait)));
    }

    [Fact]
    public void Remaining_means_nothing_outside_of_Within() => Assert.Throws<InvalidOperationException>(() => Remaining);

    [Fact]
    public void Within_bounds_the_expectations_inside_it()
    {
        string text = Failure(() => Within(Wait, () => ExpectMsg<int>()));

        Assert.StartsWith("Failed: Timeout 00:00:00.", text);
    }

    [Fact]
    public void Within_returns_the_result_of_its_block() => Assert.Equal(3, Within(Seconds(3), () => 3));

    [Fact]
    public void Within_cannot_outlast_an_outer_Within() =>
        Within(Seconds(1), () => Within(Seconds(60), () => Assert.InRange(Remaining, TimeSpan.Zero, Seconds(2))));

    [Fact]
    public void Within_ends_when_its_block_throws()
    {
        Assert.Throws<ArgumentException>(() => Within(Wait, () => throw new ArgumentException("x")));
        Assert.Throws<InvalidOperationException>(() => Remaining);
    }

    [Fact]
    public void Within_fails_when_the_block_is_late()
    {
        string text = Failure(() => Within(TimeSpan.Zero, Wait, () => { ReceiveOne(Wait * 4); }, "HINT"));

        Assert.Matches(@"^Failed: Block took [\d:.]+, exceeding 00:00:00.1000000. HINT$", text);
    }

    [Fact]
    public void Within_grants_an_epsilon() => Within(Wait, () => { ReceiveOne(Wait * 4); }, epsilonValue: Seconds(5));

    [Fact]
    public void Within_grants_a_wait_for_silence_at_its_end() => Within(Wait, () => ExpectNoMsg());

    [Fact]
    public void Within_fails_when_the_block_is_early()
    {
        string text = Failure(() => Within(Seconds(10), Seconds(20), () => { }, "HINT"));

        Assert.Matches(@"^Failed: Block took [\d:.]+, should have at least been 00:00:10. HINT$", text);
    }

    [Fact]
    public void Within_fails_when_its_minimum_cannot_be_met() =>
        Assert.StartsWith("Required min time 00:00:10 not possible, only ", Failure(() => Within(Wait, () => Within(Seconds(10), Seconds(20), () => { }))));

    [Fact]
    public void AwaitAssert_repeats_until_it_passes()
    {
        int looks = 0;

        AwaitAssert(() => Assert.True(++looks == 3), interval: TimeSpan.FromMilliseconds(1));

        Assert.Equal(3, looks);
    }

    [Fact]
    public void AwaitAssert_fails_with_the_last_failure()
    {
        Assert.Throws<ArgumentException>(() => AwaitAssert(() => throw new ArgumentException("x"), Wait));
        Assert.Contains("Expected: 1", Failure(() => AwaitAssert(() => Assert.Equal(1, 2), Wait)));
    }

    [Fact]
    public void AwaitCondition_looks_until_it_holds()
    {
        int looks = 0;

        AwaitCondition(() => ++looks == 3, Seconds(3), TimeSpan.FromMilliseconds(1));

        Assert.Equal(3, looks);
    }

    [Fact]
    public void AwaitCondition_fails_with_its_message() =>
        Assert.Equal("Timeout 00:00:00.1000000 expired while waiting for condition.MESSAGE", Failure(() => AwaitCondition(() => false, Wait, "MESSAGE")));

    [Fact]
    public void AwaitConditionNoThrow_says_whether_it_holds()
    {
        Assert.False(AwaitConditionNoThrow(() => false, Wait));
        Assert.True(AwaitConditionNoThrow(() => true, Wait));
    }
}
