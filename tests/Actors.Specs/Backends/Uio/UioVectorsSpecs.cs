using Riser.Actors.Backends;
using Riser.Actors.Backends.Uio;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends.Uio;

public sealed class UioVectorsSpecs : IDisposable
{
    private readonly FakeUpuDevice _kernel = new();
    private readonly EventFdHandle[] _eventFds = [.. Enumerable.Range(0, 8).Select(_ => EventFdHandle.Create())];

    public void Dispose() => Array.ForEach(_eventFds, e => e.Dispose());

    [Fact]
    public void Kinds_are_those_that_the_module_counts()
    {
        var kinds = UioVectors.Discover(new() { intx = 1, msi = 8, msix = 19, flags = LibC.UPU_INFO_MSIX_DYNAMIC });

        Assert.Equal(
            [new(VectorKind.IntX, 1, true, false, true), new(VectorKind.Msi, 8, true, false, false), new(VectorKind.MsiX, 19, true, true, false)],
            kinds);
    }

    [Fact]
    public void All_vectors_are_armed_in_one_call()
    {
        Device().Arm(VectorKind.MsiX, 0, _eventFds);

        Assert.Single(_kernel.Calls);
        Assert.Equal(_eventFds.Select(e => e.Number), _kernel.Armed.Values);
    }

    [Fact]
    public void Vectors_added_later_do_not_touch_the_armed_ones_when_the_kernel_can_grow()
    {
        var vectors = Device();
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..2]);

        vectors.Arm(VectorKind.MsiX, 4, _eventFds[4..6]);

        Assert.Equal((LibC.UPU_IRQ_ARM, 4U, 2U), _kernel.Calls[^1]);
        Assert.Equal(2, _kernel.Calls.Count);
    }

    [Fact]
    public void Vectors_are_reserved_ahead_when_the_kernel_cannot_grow()
    {
        var vectors = Device(grows: false, ahead: 4);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..1]);
        Assert.Equal(4U, _kernel.Reserved);

        vectors.Arm(VectorKind.MsiX, 3, _eventFds[3..4]);

        Assert.Equal(2, _kernel.Calls.Count);
    }

    [Fact]
    public void All_are_armed_anew_when_what_was_reserved_is_used_up()
    {
        var vectors = Device(grows: false, ahead: 2);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..2]);

        vectors.Arm(VectorKind.MsiX, 5, _eventFds[5..6]);

        Assert.Equal([LibC.UPU_IRQ_ARM, LibC.UPU_IRQ_DISARM, LibC.UPU_IRQ_ARM], _kernel.Calls.Select(c => c.Action));
        Assert.Equal([0U, 1U, 5U], _kernel.Armed.Keys);
    }

    [Fact]
    public void Affinity_is_set_again_when_all_are_armed_anew()
    {
        var vectors = Device(grows: false, ahead: 2);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..2]);
        vectors.SetAffinity(VectorKind.MsiX, 0, [3]);
        vectors.SetAffinity(VectorKind.MsiX, 1, [4]);
        vectors.Arm(VectorKind.MsiX, 1, [null]);

        vectors.Arm(VectorKind.MsiX, 5, _eventFds[5..6]);

        Assert.Equal([(0U, 1UL << 3), (1U, 1UL << 4), (0U, 1UL << 3)], _kernel.Affinities.Select(a => (a.Vector, a.Cpus[0])));
    }

    [Fact]
    public void More_vectors_are_refused_where_arming_anew_would_lose_what_a_mask_holds_back()
    {
        var vectors = Device(grows: false, ahead: 2);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..2]);
        vectors.Mask(VectorKind.MsiX, 1, masked: true);
        int calls = _kernel.Calls.Count;

        Assert.Equal(Errno.EBUSY, Assert.Throws<PciException>(() => vectors.Arm(VectorKind.MsiX, 5, _eventFds[5..6])).Errno);

        Assert.Equal(calls, _kernel.Calls.Count);
        vectors.Mask(VectorKind.MsiX, 1, masked: false);
        vectors.Arm(VectorKind.MsiX, 5, _eventFds[5..6]);
    }

    [Fact]
    public void A_mask_does_not_outlive_its_vector()
    {
        var vectors = Device(grows: false, ahead: 2);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..2]);
        vectors.Mask(VectorKind.MsiX, 1, masked: true);

        vectors.Arm(VectorKind.MsiX, 1, [null]);

        vectors.Arm(VectorKind.MsiX, 5, _eventFds[5..6]);
        Assert.Equal([0U, 5U], _kernel.Armed.Keys);
    }

    [Fact]
    public void Vectors_armed_before_stay_armed_when_more_are_refused()
    {
        var vectors = Device(grows: false, ahead: 2);
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..2]);
        _kernel.HostVectors = 2;

        var refused = Assert.Throws<PciException>(() => vectors.Arm(VectorKind.MsiX, 5, _eventFds[5..6]));

        Assert.Equal((Errno.ENOSPC, (SessionFailure?)null), (refused.Errno, refused.Failure));
        Assert.Equal([0U, 1U], _kernel.Armed.Keys);
    }

    [Fact]
    public void Fewer_are_reserved_when_the_host_has_no_more()
    {
        _kernel.HostVectors = 3;

        Device(grows: false, ahead: 8).Arm(VectorKind.MsiX, 0, _eventFds[..3]);

        Assert.Equal(3U, _kernel.Reserved);
    }

    [Fact]
    public void Vectors_go_back_to_the_host_with_the_last_eventfd()
    {
        var vectors = Device();
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..2]);

        vectors.Arm(VectorKind.MsiX, 0, [null, null]);

        Assert.Equal((LibC.UPU_IRQ_DISARM, 0U, 0U), _kernel.Calls[^1]);
    }

    [Fact]
    public void Closed_vectors_are_disarmed_and_stay_so()
    {
        var vectors = Device();
        vectors.Arm(VectorKind.MsiX, 0, _eventFds[..1]);

        vectors.Close();

        Assert.Empty(_kernel.Armed);
        Assert.Equal(Errno.ENODEV, Assert.Throws<PciException>(() => vectors.Arm(VectorKind.MsiX, 0, _eventFds[..1])).Errno);
    }

    [Fact]
    public void One_eventfd_may_serve_all_vectors()
    {
        Device().Arm(VectorKind.MsiX, 0, [.. Enumerable.Repeat(_eventFds[0], 8)]);

        Assert.All(_kernel.Armed.Values, fd => Assert.Equal(_eventFds[0].Number, fd));
    }

    [Fact]
    public void Affinity_is_a_mask_of_the_cpus()
    {
        var vectors = Device();
        vectors.Arm(VectorKind.MsiX, 0, _eventFds);

        vectors.SetAffinity(VectorKind.MsiX, 3, [0, 5, 64]);

        var (vector, cpus) = Assert.Single(_kernel.Affinities);
        Assert.Equal(3U, vector);
        Assert.Equal([0x21UL, 1UL], cpus);
    }

    [Theory]
    [InlineData(Errno.EPERM)]
    [InlineData(Errno.EINVAL)]
    [InlineData(Errno.EIO)]
    public void Affinity_that_is_refused_names_the_cpus_and_the_fix(Errno errno)
    {
        var vectors = Device();
        vectors.Arm(VectorKind.MsiX, 0, _eventFds);
        _kernel.AffinityFails = errno;

        var refused = Assert.Throws<PciException>(() => vectors.SetAffinity(VectorKind.MsiX, 0, [7]));

        Assert.Equal((errno, (SessionFailure?)null), (refused.Errno, refused.Failure));
        Assert.Contains("7", refused.Why);
        Assert.NotEmpty(refused.Fix);
    }

    [Fact]
    public void Affinity_that_is_refused_names_the_cpus_that_the_machine_does_not_have()
    {
        var vectors = Device();
        vectors.Arm(VectorKind.MsiX, 0, _eventFds);
        _kernel.AffinityFails = Errno.EINVAL;

        Assert.Equal("The machine has no CPU 8190, 8191", Assert.Throws<PciException>(() => vectors.SetAffinity(VectorKind.MsiX, 0, [0, 8190, 8191])).Why);
    }

    [Theory]
    [InlineData(new int[0])]
    [InlineData(new[] { -1 })]
    [InlineData(new[] { 8192 })]
    public void Affinity_refuses_what_are_no_cpus(int[] cpus)
    {
        var vectors = Device();
        vectors.Arm(VectorKind.MsiX, 0, _eventFds);

        Assert.Equal(Errno.EINVAL, Assert.Throws<PciException>(() => vectors.SetAffinity(VectorKind.MsiX, 0, cpus)).Errno);
    }

    [Fact]
    public void A_device_that_was_taken_is_told_as_such()
    {
        var vectors = Device();
        vectors.Arm(VectorKind.MsiX, 0, _eventFds);
        _kernel.Dead = true;

        Assert.Equal(SessionFailure.Revoked, Assert.Throws<PciException>(() => vectors.Trigger(VectorKind.MsiX, 0, 1)).Failure);
    }

    private UioVectors Device(bool grows = true, int ahead = 0)
    {
        _kernel.Dynamic = grows;
        return new(
            _kernel,
            new(_kernel, "0000:01:00.0", FakeUpuDevice.ConfigOffset, 256, () => new PciException(Errno.ENODEV, "taken", "", SessionFailure.Revoked)),
            [new(VectorKind.MsiX, 8, CanMask: true, CanGrow: grows, AutoMasked: false)],
            ahead);
    }
}
