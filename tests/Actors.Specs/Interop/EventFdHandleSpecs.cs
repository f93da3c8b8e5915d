using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Interop;

public sealed class EventFdHandleSpecs
{
    [Fact]
    public void A_duplicate_is_the_same_counter()
    {
        using var first = EventFdHandle.Create();
        using var second = first.Duplicate();

        second.Signal(3);

        Assert.Equal(3, first.Read());
    }

    [Fact]
    public void A_closed_one_is_not_duplicated_as_whatever_has_its_number_now()
    {
        var closed = EventFdHandle.Create();
        closed.Dispose();
        using var other = EventFdHandle.Create();

        Assert.Throws<ObjectDisposedException>(closed.Duplicate);
    }
}
