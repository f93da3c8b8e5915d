using Riser.Actors.Interrupts;

namespace Riser.Actors.Specs.Interrupts;

/// <summary>The one message of an <see cref="InterruptSet"/>, with each interleaving of one who marks and one who takes made by hand.</summary>
public sealed class SummonsSpecs
{
    private Summons _summons;

    [Fact]
    public void First_mark_sends_and_those_behind_it_do_not()
    {
        var marks = new Marks();

        Assert.True(_summons.Mark(marks, 1));
        Assert.False(_summons.Mark(marks, 2));
        Assert.False(_summons.Claim());

        _summons.Clear();
        Assert.Equal([1, 2], marks.TakeAll());
        Assert.True(_summons.Mark(marks, 1));
    }

    /// <summary>Who looks whether a message is under way before it marks has seen the old one, and nobody is told of the mark.</summary>
    [Fact]
    public void Take_that_comes_before_the_mark_is_followed_by_another_message()
    {
        var marks = new Marks();
        Assert.True(_summons.Mark(marks, 1));
        List<int> taken = [];
        marks.BeforeSet = () => // the marker is on its way
        {
            _summons.Clear();
            taken.AddRange(marks.TakeAll());
        };

        bool told = _summons.Mark(marks, 2);

        Assert.Equal([1], taken);
        Assert.True(told);
        Assert.Equal([2], marks.TakeAll());
    }

    /// <summary>As before, but the Take comes between mark and look: it collects the mark, and the message that follows finds nothing.</summary>
    [Fact]
    public void Take_that_comes_after_the_mark_collects_it()
    {
        var marks = new Marks();
        Assert.True(_summons.Mark(marks, 1));
        List<int> taken = [];
        marks.AfterSet = () =>
        {
            _summons.Clear();
            taken.AddRange(marks.TakeAll());
        };

        bool told = _summons.Mark(marks, 2);

        Assert.Equal([1, 2], taken);
        Assert.True(told); // one too many, rather than one too few
        Assert.Empty(marks.TakeAll());
    }

    /// <summary>The mark falls between the Take's two steps: one who looked at the marks before it let the next message come would leave it untold.</summary>
    [Fact]
    public void Mark_that_comes_while_the_message_is_taken_is_told_or_collected()
    {
        var marks = new Marks();
        Assert.True(_summons.Mark(marks, 1));

        _summons.Clear();
        bool told = _summons.Mark(marks, 2);

        Assert.True(told);
        Assert.Equal([1, 2], marks.TakeAll());
    }

    private sealed class Marks : IMarks
    {
        private readonly SortedSet<int> _set = [];

        public Action? BeforeSet { get; set; }

        public Action? AfterSet { get; set; }

        public void Set(int place)
        {
            BeforeSet?.Invoke();
            _set.Add(place);
            AfterSet?.Invoke();
        }

        public List<int> TakeAll()
        {
            List<int> all = [.. _set];
            _set.Clear();
            return all;
        }
    }
}
