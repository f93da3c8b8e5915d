using Riser.Actors.Backends;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends;

/// <summary>Arming, triggering, masking.</summary>
public abstract partial class BackendContract<TFixture>
{
    private static EventFdHandle[] EventFds(int count) => [.. Enumerable.Range(0, count).Select(_ => EventFdHandle.Create())];

    private static void Close(IEnumerable<EventFdHandle> eventFds)
    {
        foreach (var eventFd in eventFds)
            eventFd.Dispose();
    }

    private static VectorInfo Vectors(IPciSession session, Func<VectorInfo, bool> which, string reason) =>
        session.Info.Vectors.Where(which).MaxBy(v => v.Count) ?? throw new SkipException(reason);

    private static VectorInfo Messages(IPciSession session, int atLeast = 1)
    {
        if (!session.Info.CanTrigger)
            throw new SkipException("The backend cannot trigger vectors.");
        return Vectors(session, v => v.Kind != VectorKind.IntX && v.Count >= atLeast, $"The device has no {atLeast} message signalled vectors.");
    }

    [SkippableFact]
    public void Vector_counts_every_trigger()
    {
        using var session = Open();
        var kind = Messages(session);
        int count = Math.Min(kind.Count, 64);
        var eventFds = EventFds(count);
        session.Arm(kind.Kind, 0, eventFds);

        for (int round = 0; round < 3; round++)
            session.Trigger(kind.Kind, 0, count);
        session.Trigger(kind.Kind, count - 1, 1);

        for (int vector = 0; vector < count; vector++)
            Assert.Equal(vector == count - 1 ? 4 : 3, eventFds[vector].Read());
        session.Disarm(kind.Kind);
        Close(eventFds);
    }

    [SkippableFact]
    public void Vector_is_silent_when_disarmed()
    {
        using var session = Open();
        var kind = Messages(session);
        var eventFds = EventFds(1);
        session.Arm(kind.Kind, 0, eventFds);

        session.Disarm(kind.Kind);

        Refused(Errno.EINVAL, () => session.Trigger(kind.Kind, 0, 1));
        Assert.Equal(0, eventFds[0].Read());
        session.Disarm(kind.Kind);
        Close(eventFds);
    }

    [SkippableFact]
    public void Vector_keeps_its_count_when_others_are_armed_later()
    {
        using var session = Open();
        var kind = Messages(session, atLeast: 2);
        var eventFds = EventFds(2);
        session.Arm(kind.Kind, 0, [eventFds[0]]);
        session.Trigger(kind.Kind, 0, 1);

        session.Arm(kind.Kind, 1, [eventFds[1]]);
        session.Trigger(kind.Kind, 0, 2);

        Assert.Equal(2, eventFds[0].Read());
        Assert.Equal(1, eventFds[1].Read());
        session.Dispose();
        Close(eventFds);
    }

    [SkippableFact]
    public void Vector_is_left_unconnected_when_null()
    {
        using var session = Open();
        var kind = Messages(session, atLeast: 2);
        var eventFds = EventFds(1);
        session.Arm(kind.Kind, 0, [null, eventFds[0]]);

        session.Trigger(kind.Kind, 1, 1);

        Assert.Equal(1, eventFds[0].Read());
        session.Dispose();
        Close(eventFds);
    }

    [SkippableFact]
    public void Arm_refuses_vectors_that_do_not_exist()
    {
        using var session = Open();
        Skip.If(session.Info.Vectors.Count == 0, "The device has no vectors.");

        foreach (var kind in session.Info.Vectors)
        {
            var none = new EventFdHandle?[kind.Count + 1];
            Refused(Errno.EINVAL, () => session.Arm(kind.Kind, 0, none));
            Refused(Errno.EINVAL, () => session.Arm(kind.Kind, kind.Count, [null]));
            Refused(Errno.EINVAL, () => session.Arm(kind.Kind, -1, [null]));
        }
    }

    [SkippableFact]
    public void Arm_refuses_a_kind_that_the_device_lacks()
    {
        using var session = Open();

        foreach (var kind in Enum.GetValues<VectorKind>().Except(session.Info.Vectors.Select(v => v.Kind)))
            Refused(Errno.EINVAL, () => session.Arm(kind, 0, [null]));
    }

    [SkippableFact]
    public void Arm_refuses_a_second_kind()
    {
        using var session = Open();
        Skip.If(session.Info.Vectors.Count < 2, "The device has one kind of interrupt.");
        var (first, second) = (session.Info.Vectors[^1].Kind, session.Info.Vectors[0].Kind);
        var eventFds = EventFds(1);
        session.Arm(first, 0, eventFds);

        Refused(Errno.EINVAL, () => session.Arm(second, 0, eventFds));
        session.Disarm(first);
        session.Arm(second, 0, eventFds);
        session.Dispose();
        Close(eventFds);
    }

    [SkippableFact]
    public void Trigger_refuses_what_is_not_armed()
    {
        using var session = Open();
        var kind = Messages(session);

        Refused(Errno.EINVAL, () => session.Trigger(kind.Kind, 0, 1));
        var eventFds = EventFds(1);
        session.Arm(kind.Kind, 0, eventFds);
        Refused(Errno.EINVAL, () => session.Trigger(kind.Kind, 0, kind.Count + 1));
        Refused(Errno.EINVAL, () => session.Trigger(kind.Kind, kind.Count, 1));
        Assert.Equal(0, eventFds[0].Read());
        session.Dispose();
        Close(eventFds);
    }

    [SkippableFact]
    public void Mask_is_refused_where_the_device_cannot()
    {
        using var session = Open();
        var kind = Vectors(session, v => !v.CanMask, "Every kind of interrupt can be masked in hardware.");

        Refused(Errno.EOPNOTSUPP, () => session.Mask(kind.Kind, 0, true));
    }

    [SkippableFact]
    public void Mask_coalesces_and_unmask_fires_once()
    {
        using var session = Open();
        Skip.IfNot(session.Info.CanTrigger, "The backend cannot trigger vectors.");
        var kind = Vectors(session, v => v.CanMask && v.Kind != VectorKind.IntX, "No message signalled vector can be masked in hardware.");
        var eventFds = EventFds(1);
        session.Arm(kind.Kind, 0, eventFds);
        session.Mask(kind.Kind, 0, true);

        for (int i = 0; i < 5; i++)
            session.Trigger(kind.Kind, 0, 1);
        Assert.Equal(0, eventFds[0].Read());
        session.Mask(kind.Kind, 0, false);
        Assert.Equal(1, eventFds[0].Read());
        session.Mask(kind.Kind, 0, false);
        Assert.Equal(0, eventFds[0].Read());
        session.Dispose();
        Close(eventFds);
    }

    [SkippableFact]
    public void Intx_is_masked_after_each_interrupt_until_unmasked()
    {
        using var session = Open();
        Skip.IfNot(session.Info.CanTrigger, "The backend cannot trigger vectors.");
        var kind = Vectors(session, v => v.Kind == VectorKind.IntX && v.AutoMasked, "The device has no INTx.");
        var eventFds = EventFds(1);
        session.Arm(kind.Kind, 0, eventFds);

        session.Trigger(VectorKind.IntX, 0, 1);
        Assert.Equal(1, eventFds[0].Read());
        session.Mask(VectorKind.IntX, 0, false);
        session.Trigger(VectorKind.IntX, 0, 1);
        Assert.Equal(1, eventFds[0].Read());
        session.Dispose();
        Close(eventFds);
    }

    [SkippableFact]
    public void Vector_outlives_its_eventfd_without_writing_to_another()
    {
        using var session = Open();
        var kind = Messages(session);
        var eventFds = EventFds(1);
        session.Arm(kind.Kind, 0, eventFds);
        Close(eventFds);
        using var successor = EventFdHandle.Create();

        session.Trigger(kind.Kind, 0, 1);

        Assert.Equal(0, successor.Read());
    }
}
