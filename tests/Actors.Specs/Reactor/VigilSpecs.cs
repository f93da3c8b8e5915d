using Riser.Actors.Reactor;

namespace Riser.Actors.Specs.Reactor;

/// <summary>When a loop looks and when it sleeps, in virtual time: a look takes 200 ns, to be woken 20 µs.</summary>
public sealed class VigilSpecs
{
    private const long Look = 200;
    private const long WakeUp = 20_000;

    private long _now = 1_000_000_000;

    [Fact]
    public void Vigil_that_is_off_never_looks() => Assert.False(new Vigil(PollingSettings.Off).IsEnabled);

    [Fact]
    public void Vigil_looks_once_four_waits_were_short()
    {
        var vigil = NewVigil(longest: 50);

        Assert.Equal([false, false, false, false, true, true], Enumerable.Range(0, 6).Select(_ => Wait(vigil, 10)));
    }

    [Fact]
    public void Vigil_sleeps_at_once_while_waits_are_longer_than_it_may_look()
    {
        var vigil = NewVigil(longest: 50);

        for (int i = 0; i < 1000; i++)
            Assert.False(Wait(vigil, 200));

        Assert.Equal(0, vigil.Looked);
    }

    [Fact]
    public void Vigil_looks_for_twice_the_longest_of_the_short_waits()
    {
        var vigil = NewVigil(longest: 100);
        Learn(vigil, 15);
        long before = vigil.Looked;

        Assert.False(Wait(vigil, 10_000));

        Assert.InRange(vigil.Looked - before, 30_000, 30_000 + Look);
    }

    [Theory]
    [InlineData(90)] // twice it would be longer
    [InlineData(60)]
    public void Vigil_never_looks_for_longer_than_it_may(long gap)
    {
        var vigil = NewVigil(longest: 100);
        Learn(vigil, gap);
        long before = vigil.Looked;

        Assert.False(Wait(vigil, 10_000));

        Assert.InRange(vigil.Looked - before, 100_000, 100_000 + Look);
    }

    [Fact]
    public void Vigil_stops_when_waits_become_long_and_looks_again_when_they_are_short()
    {
        var vigil = NewVigil(longest: 50);
        Learn(vigil, 10);

        for (int i = 0; i < 5; i++)
            Wait(vigil, 10_000);
        long looked = vigil.Looked;
        for (int i = 0; i < 100; i++)
            Wait(vigil, 10_000);
        Assert.Equal(looked, vigil.Looked);

        Learn(vigil, 10);
        Assert.True(Wait(vigil, 10));
    }

    [Fact]
    public void Vigil_forgives_a_pause_between_bursts()
    {
        var vigil = NewVigil(longest: 50);
        Learn(vigil, 10);

        for (int burst = 0; burst < 20; burst++)
        {
            Wait(vigil, 5_000);
            for (int i = 0; i < 7; i++)
                Assert.True(Wait(vigil, 10));
        }
    }

    [Fact]
    public void Vigil_with_the_whole_processor_looks_through_every_short_wait()
    {
        var vigil = NewVigil(longest: 300, share: 1);
        Learn(vigil, 200);

        for (int i = 0; i < 10_000; i++)
            Assert.True(Wait(vigil, 200));
    }

    [Theory]
    [InlineData(1, 0.5)]
    [InlineData(2, 0.1)]
    [InlineData(3, 0.9)]
    public void Vigil_takes_no_more_than_its_share(int seed, double share)
    {
        const long Longest = 50;
        var random = new Random(seed);
        var vigil = NewVigil(Longest, share);
        long start = _now;

        for (int i = 0; i < 100_000; i++)
        {
            Wait(vigil, random.Next(100) == 0 ? 10_000 : random.Next(1, 60));
            Assert.True(vigil.Looked <= ((_now - start) * share) + (3 * Longest * 1_000), $"wait {i}: it looked for {vigil.Looked} of {_now - start} ns");
        }

        Assert.True(vigil.Looked > (_now - start) * share / 10, "It has hardly looked at all."); // most of the time is in the pauses
    }

    /// <summary>A thread that was put aside shares its processor: looking takes from others what they have work for.</summary>
    [Fact]
    public void Vigil_ends_and_forgets_when_somebody_else_had_the_processor()
    {
        var vigil = NewVigil(longest: 50);
        Learn(vigil, 10);

        Assert.True(vigil.Begin(_now));
        Assert.True(vigil.Continues(_now += Look));
        Assert.False(vigil.Continues(_now += 35_000)); // less than it may look, but not its own doing
        vigil.End(_now += 1_000, slept: true);

        Assert.Equal([false, false, false, false, true], Enumerable.Range(0, 5).Select(_ => Wait(vigil, 10)));
    }

    [Fact]
    public void Vigil_forgets_when_the_look_that_found_something_came_late()
    {
        var vigil = NewVigil(longest: 50);
        Learn(vigil, 10);

        Assert.True(vigil.Begin(_now));
        vigil.End(_now += 4_000_000, slept: false);

        Assert.False(Wait(vigil, 10));
    }

    private static Vigil NewVigil(long longest, double share = 1) => new(new(TimeSpan.FromMicroseconds(longest), share));

    private void Learn(Vigil vigil, long gap)
    {
        for (int i = 0; i < 8; i++)
        {
            // Woken a little before, so that what is remembered is the gap whether it looked or slept.
            vigil.Begin(_now);
            vigil.End(_now += gap * 1_000, slept: true);
        }
    }

    /// <summary>One wait of the loop: nothing to do, then something after <paramref name="gap"/> µs.</summary>
    /// <returns>Whether a look found it.</returns>
    private bool Wait(Vigil vigil, long gap)
    {
        long due = _now + (gap * 1_000);
        if (vigil.Begin(_now))
        {
            do
            {
                _now += Look;
                if (_now >= due)
                {
                    vigil.End(_now, slept: false);
                    return true;
                }
            }
            while (vigil.Continues(_now));
        }

        _now = due + WakeUp;
        vigil.End(_now, slept: true);
        return false;
    }
}
