using Riser.Actors.Backends;

namespace Riser.Actors.Specs.Backends;

/// <summary>
/// What every backend owes to what stands above it. Derive with a fixture and a collection, nothing else:
/// <c>public sealed class XContractSpecs(XFixture fixture) : BackendContract&lt;XFixture&gt;(fixture);</c>
/// The parts stand in files of their own; this one opens, describes and closes.
/// </summary>
public abstract partial class BackendContract<TFixture> : IClassFixture<TFixture>
    where TFixture : BackendFixture
{
    private readonly TFixture _fixture;

    protected BackendContract(TFixture fixture) => _fixture = fixture;

    private IPciSession Open()
    {
        Skip.If(_fixture.SkipReason is not null, _fixture.SkipReason);
        return _fixture.Backend.Open(_fixture.Device);
    }

    private static PciException Refused(Errno errno, Action call)
    {
        var refused = Assert.Throws<PciException>(call);
        Assert.Equal(errno, refused.Errno);
        Assert.NotEmpty(refused.Why);
        Assert.NotEmpty(refused.Fix);
        return refused;
    }

    [SkippableFact]
    public void Backend_discovers_the_device_when_it_can_be_opened()
    {
        Skip.If(_fixture.SkipReason is not null, _fixture.SkipReason);
        var found = Assert.Single(_fixture.Backend.Discover(), d => d.Id == _fixture.Device);

        Assert.Null(found.Obstacle);
        Assert.Equal(_fixture.Backend.Name, found.Id.Backend);
        using var session = Open();
        Assert.Equal(found.VendorId, session.ReadConfig(0, 2));
        Assert.Equal(found.ProductId, session.ReadConfig(2, 2));
        Assert.Equal(found.ClassCode, session.ReadConfig(8, 4) >> 8);
    }

    [SkippableFact]
    public void Backend_refuses_to_open_when_the_device_is_unknown()
    {
        Skip.If(_fixture.SkipReason is not null, _fixture.SkipReason);
        Refused(Errno.ENODEV, () => _fixture.Backend.Open(DeviceId.Parse($"{_fixture.Backend.Name}:ffff:ff:1f.7")));
    }

    [SkippableFact]
    public void Backend_refuses_a_second_session_while_the_first_is_open()
    {
        using var first = Open();

        Refused(Errno.EBUSY, () => _fixture.Backend.Open(_fixture.Device));
        first.Dispose();
        using var second = Open();
    }

    [SkippableFact]
    public void Session_describes_itself_when_opened()
    {
        using var session = Open();
        var info = session.Info;

        Assert.Contains(info.ConfigSize, (int[])[256, 4096]);
        Assert.Equal(info.Bars.Count, info.Bars.Select(b => b.Index).Distinct().Count());
        Assert.All(info.Bars, bar =>
        {
            Assert.InRange(bar.Index, 0, 6);
            Assert.True(bar.Size > 0);
            Assert.All(bar.Mapped, m => Assert.True(m.Size > 0 && m.Offset + m.Size <= bar.Size));
        });
        Assert.All(info.Vectors, v => Assert.InRange(v.Count, 1, 2048));
        Assert.Equal(info.Iommu.Present, info.Iommu.MaxMappings > 0);
        Assert.Equal(4096UL, info.Iommu.Alignment);
        Assert.All(info.Iommu.Aperture, a => Assert.True(a.Size > 0));
    }

    [SkippableFact]
    public void Session_is_bus_master_when_opened_and_as_told_after()
    {
        using var session = Open();
        Assert.Equal(4UL, session.ReadConfig(4, 2) & 4);

        session.SetBusMaster(false);
        Assert.Equal(0UL, session.ReadConfig(4, 2) & 4);
        session.SetBusMaster(true);
        Assert.Equal(4UL, session.ReadConfig(4, 2) & 4);
    }

    [SkippableFact]
    public void Session_refuses_every_call_when_disposed()
    {
        var session = Open();
        var bars = session.Info.Bars.Select(b => session.Bar(b.Index)).ToArray();
        var kind = session.Info.Vectors.Select(v => v.Kind).DefaultIfEmpty(VectorKind.MsiX).First();
        session.Dispose();
        session.Dispose();

        Refused(Errno.ENODEV, () => session.ReadConfig(0, 4));
        Refused(Errno.ENODEV, () => session.WriteConfig(4, 2, 0));
        Refused(Errno.ENODEV, () => session.Bar(0));
        Refused(Errno.ENODEV, () => session.Map([]));
        Refused(Errno.ENODEV, () => session.Unmap(new(0, 4096)));
        Refused(Errno.ENODEV, () => session.Arm(kind, 0, [null]));
        Refused(Errno.ENODEV, () => session.Disarm(kind));
        Refused(Errno.ENODEV, () => session.Mask(kind, 0, true));
        Refused(Errno.ENODEV, () => session.Trigger(kind, 0, 1));
        Refused(Errno.ENODEV, () => session.Connect(SessionNotice.DeviceError, null));
        Refused(Errno.ENODEV, () => session.TakeInvalidations());
        Refused(Errno.ENODEV, () => session.SetBusMaster(true));
        Refused(Errno.ENODEV, () => session.Reset());
        Assert.All(bars, bar => Refused(Errno.ENODEV, () => bar.Read8(0)));
        Assert.All(bars, bar => Refused(Errno.ENODEV, () => bar.Write8(0, 0)));
    }

    [SkippableFact]
    public void Session_leaves_the_device_quiet_when_disposed()
    {
        Open().Dispose();

        using var next = Open();
        Assert.Equal(4UL, next.ReadConfig(4, 2) & 4);
    }

    [SkippableFact]
    public void Session_can_be_disposed_by_many_at_once()
    {
        var session = Open();

        Parallel.For(0, 8, _ => session.Dispose());
        using var next = Open();
    }

    [SkippableFact]
    public void Session_keeps_its_state_when_reset()
    {
        using var session = OpenForDma();
        Skip.IfNot(session.Info.CanReset, "The device cannot be reset.");
        using var memory = new TestMemory(4096);
        var piece = memory.At(Iova(session, 0));
        session.Map([piece]);

        session.Reset();

        Assert.Equal(4UL, session.ReadConfig(4, 2) & 4);
        Refused(Errno.EEXIST, () => session.Map([piece]));
        session.Unmap(piece.Range);
    }

    [SkippableFact]
    public void Backend_leaks_no_descriptor_when_opened_and_closed_again_and_again()
    {
        using (Open())
        {
            // What is made once and kept is made now.
        }

        int before = OpenDescriptors();
        for (int i = 0; i < _fixture.Rounds; i++)
        {
            using var session = Open();
            foreach (var bar in session.Info.Bars)
                session.Bar(bar.Index);
        }

        // Other specs of the assembly may run meanwhile; a leak of one a round shows all the same.
        Assert.InRange(OpenDescriptors() - before, int.MinValue, _fixture.Rounds / 2);
    }

    private static int OpenDescriptors() => Directory.GetFiles("/proc/self/fd").Length;
}
