using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Backends.Vfio;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends.Vfio;

public sealed class VfioVectorsSpecs : IDisposable
{
    private const uint Fixed = LibC.VFIO_IRQ_INFO_EVENTFD | LibC.VFIO_IRQ_INFO_NORESIZE;
    private readonly FakeVfioDevice _kernel = new();
    private readonly EventFdHandle[] _eventFds = [.. Enumerable.Range(0, 64).Select(_ => EventFdHandle.Create())];

    public void Dispose() => Array.ForEach(_eventFds, e => e.Dispose());

    [Fact]
    public void Kinds_are_those_that_the_kernel_can_signal()
    {
        _kernel.Irqs[0] = new() { count = 1, flags = LibC.VFIO_IRQ_INFO_EVENTFD | LibC.VFIO_IRQ_INFO_MASKABLE | LibC.VFIO_IRQ_INFO_AUTOMASKED | LibC.VFIO_IRQ_INFO_NORESIZE };
        _kernel.Irqs[2] = new() { count = 19, flags = LibC.VFIO_IRQ_INFO_EVENTFD };

        Assert.Equal(
            [new(VectorKind.IntX, 1, CanMask: true, CanGrow: false, AutoMasked: true), new(VectorKind.MsiX, 19, CanMask: false, CanGrow: true, AutoMasked: false)],
            VfioVectors.Discover(_kernel));
    }

    [Fact]
    public void All_vectors_are_armed_in_one_call()
    {
        var vectors = Device(64, LibC.VFIO_IRQ_INFO_EVENTFD);

        vectors.Arm(VectorKind.MsiX, 0, _eventFds);

        Assert.Single(_kernel.Calls);
        Assert.Equal(_eventFds.Select(e => e.Number), _kernel.Enabled!);
    }

    [Fact]
    public void Vectors_added_later_do_not_touch_the_armed_ones_when_the_kernel_can_grow()
    {
        var vectors = Device(64, LibC.VFIO_IRQ_INFO_EVENTFD);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..4]);

        vectors.Arm(VectorKind.MsiX, 10, _eventFds[10..12]);

        Assert.Equal((10U, 2U), (_kernel.Calls[^1].Start, _kernel.Calls[^1].Count));
        Assert.Equal(2, _kernel.Calls.Count);
    }

    [Fact]
    public void Vectors_taken_ahead_are_connected_without_arming_anew_when_the_kernel_cannot_grow()
    {
        var vectors = Device(64, Fixed, ahead: 32);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..2]);
        Assert.Equal(32, _kernel.Enabled!.Length);

        vectors.Arm(VectorKind.MsiX, 30, _eventFds[30..32]);

        Assert.Equal(2, _kernel.Calls.Count);
        Assert.Equal(_eventFds[31].Number, _kernel.Enabled![31]);
    }

    [Fact]
    public void Union_is_armed_anew_in_one_call_when_the_kernel_cannot_grow()
    {
        var vectors = Device(64, Fixed, ahead: 0);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..2]);

        vectors.Arm(VectorKind.MsiX, 4, _eventFds[4..6]);

        Assert.Equal([(0U, 2U), (0U, 0U), (0U, 6U)], _kernel.Calls.Select(c => (c.Start, c.Count)));
        Assert.Equal([_eventFds[0].Number, _eventFds[1].Number, -1, -1, _eventFds[4].Number, _eventFds[5].Number], _kernel.Enabled!);
    }

    [Fact]
    public void Armed_vectors_are_armed_again_when_the_host_has_no_vectors_for_the_union()
    {
        var vectors = Device(64, Fixed, ahead: 0);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..2]);
        _kernel.HostVectors = 4;

        var refused = Assert.Throws<PciException>(() => vectors.Arm(VectorKind.MsiX, 4, _eventFds[4..6]));

        Assert.Equal(Errno.ENOSPC, refused.Errno);
        Assert.Equal([_eventFds[0].Number, _eventFds[1].Number], _kernel.Enabled!);
        vectors.Trigger(VectorKind.MsiX, 0, 2);
    }

    [Fact]
    public void Fewer_are_taken_ahead_when_the_host_is_short()
    {
        var vectors = Device(64, Fixed, ahead: 32);
        _kernel.HostVectors = 8;

        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..2]);
        Assert.Equal(8, _kernel.Enabled!.Length);
        vectors.Arm(VectorKind.MsiX, 7, _eventFds[7..8]);
        Assert.Equal(Errno.ENOSPC, Assert.Throws<PciException>(() => vectors.Arm(VectorKind.MsiX, 8, _eventFds[8..9])).Errno);
    }

    [Fact]
    public void Null_and_a_closed_eventfd_are_no_connection()
    {
        var vectors = Device(4, LibC.VFIO_IRQ_INFO_EVENTFD);
        _eventFds[2].Dispose();

        vectors.Arm(VectorKind.MsiX, 0, [_eventFds[0], null, _eventFds[2]]);

        Assert.Equal([_eventFds[0].Number, -1, -1], _kernel.Enabled!);
    }

    [Fact]
    public void Vectors_go_back_to_the_host_with_the_last_eventfd()
    {
        var vectors = Device(4, LibC.VFIO_IRQ_INFO_EVENTFD);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..2]);

        vectors.Arm(VectorKind.MsiX, 0, [null]);
        Assert.NotNull(_kernel.Enabled);
        vectors.Arm(VectorKind.MsiX, 1, [null]);

        Assert.Null(_kernel.Enabled);
        vectors.Arm(VectorKind.Msi, 0, _eventFds[..1]); // no kind is armed any more
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, 0)]
    [InlineData(4, 1)]
    [InlineData(3, 2)]
    [InlineData(int.MaxValue, 1)]
    public void Vectors_out_of_range_are_refused(int start, int count)
    {
        var vectors = Device(4, LibC.VFIO_IRQ_INFO_EVENTFD);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..4]);

        Assert.Equal(Errno.EINVAL, Assert.Throws<PciException>(() => vectors.Arm(VectorKind.MsiX, start, [.. _eventFds.Take(count)])).Errno);
        Assert.Equal(Errno.EINVAL, Assert.Throws<PciException>(() => vectors.Trigger(VectorKind.MsiX, start, count)).Errno);
        Assert.Single(_kernel.Calls);
    }

    [Fact]
    public void One_kind_is_armed_at_a_time()
    {
        var vectors = Device(4, LibC.VFIO_IRQ_INFO_EVENTFD);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..1]);

        Assert.Equal(Errno.EINVAL, Assert.Throws<PciException>(() => vectors.Arm(VectorKind.Msi, 0, _eventFds[..1])).Errno);
        vectors.Disarm(VectorKind.Msi); // not armed: nothing to do
        vectors.Disarm(VectorKind.MsiX);
        vectors.Arm(VectorKind.Msi, 0, _eventFds[..1]);
    }

    [Fact]
    public void Trigger_needs_all_of_its_vectors_armed()
    {
        var vectors = Device(4, LibC.VFIO_IRQ_INFO_EVENTFD);
        vectors.Arm(VectorKind.MsiX, 0, [_eventFds[0], null, _eventFds[2]]);

        Assert.Equal(Errno.EINVAL, Assert.Throws<PciException>(() => vectors.Trigger(VectorKind.MsiX, 0, 3)).Errno);
        vectors.Trigger(VectorKind.MsiX, 2, 1);
        Assert.Equal([2U], _kernel.Triggered);
    }

    [Fact]
    public void Mask_is_refused_for_message_signalled_vectors()
    {
        var vectors = Device(4, LibC.VFIO_IRQ_INFO_EVENTFD);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..1]);

        Assert.Equal(Errno.EOPNOTSUPP, Assert.Throws<PciException>(() => vectors.Mask(VectorKind.MsiX, 0, masked: true)).Errno);
    }

    [Fact]
    public void Closed_vectors_are_disarmed_and_stay_so()
    {
        var vectors = Device(4, LibC.VFIO_IRQ_INFO_EVENTFD);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..1]);

        vectors.Close();

        Assert.Null(_kernel.Enabled);
        Assert.Equal(Errno.ENODEV, Assert.Throws<PciException>(() => vectors.Arm(VectorKind.MsiX, 0, _eventFds[..1])).Errno);
    }

    private VfioVectors Device(int count, uint flags, int ahead = 0)
    {
        _kernel.Irqs[1] = new() { count = 1, flags = flags };
        _kernel.Irqs[2] = new() { count = (uint)count, flags = flags };
        return new(_kernel, new(_kernel, "0000:01:00.0", FakeVfioDevice.ConfigOffset, 256), VfioVectors.Discover(_kernel), ahead);
    }
}
