using Riser.Actors.Backends;

namespace Riser.Actors.Specs.Backends;

/// <summary>BARs and configuration space.</summary>
public abstract partial class BackendContract<TFixture>
{
    [SkippableFact]
    public void Bar_is_the_same_object_each_time()
    {
        using var session = Open();
        Skip.If(session.Info.Bars.Count == 0, "The device has no BAR.");
        int index = session.Info.Bars[0].Index;

        Assert.Same(session.Bar(index), session.Bar(index));
        Assert.Equal(session.Info.Bars[0].Size, session.Bar(index).Info.Size);
    }

    [SkippableFact]
    public void Bar_is_refused_when_it_does_not_exist()
    {
        using var session = Open();

        for (int index = -1; index < 8; index++)
        {
            if (session.Info.Bars.All(b => b.Index != index))
                Refused(Errno.EINVAL, () => session.Bar(index));
        }
    }

    [SkippableFact]
    public void Bar_refuses_access_past_its_end_and_misaligned()
    {
        using var session = Open();
        Skip.If(session.Info.Bars.Count == 0, "The device has no BAR.");

        foreach (var info in session.Info.Bars)
        {
            var bar = session.Bar(info.Index);
            foreach (int width in (int[])[1, 2, 4, 8])
            {
                Refused(Errno.EFAULT, () => bar.Read(info.Size, width));
                Refused(Errno.EFAULT, () => bar.Write(info.Size, width, 0));
                Refused(Errno.EFAULT, () => bar.Read(ulong.MaxValue - (ulong)width + 1, width));
                if (width > 1)
                    Refused(Errno.EINVAL, () => bar.Read(1, width));
            }

            Refused(Errno.EINVAL, () => bar.Read(0, 3));
        }
    }

    [SkippableFact]
    public void Bar_keeps_a_register_when_written()
    {
        Skip.If(_fixture.SkipReason is not null, _fixture.SkipReason);
        Skip.If(_fixture.ScratchRegister is null, "The device has no register that is harmless to write.");
        using var session = Open();
        var (index, offset) = _fixture.ScratchRegister.Value;
        var bar = session.Bar(index);

        foreach (uint value in (uint[])[0x12345678, 0, uint.MaxValue])
        {
            bar.Write32(offset, value);
            Assert.Equal(value, bar.Read32(offset));
        }
    }

    [SkippableFact]
    public void Config_reads_the_same_bytes_in_every_width()
    {
        using var session = Open();

        for (int offset = 0; offset < 64; offset += 8)
        {
            ulong bytes = 0, words = 0, dwords = 0;
            for (int i = 7; i >= 0; i--)
                bytes = (bytes << 8) | session.ReadConfig(offset + i, 1);
            for (int i = 6; i >= 0; i -= 2)
                words = (words << 16) | session.ReadConfig(offset + i, 2);
            for (int i = 4; i >= 0; i -= 4)
                dwords = (dwords << 32) | session.ReadConfig(offset + i, 4);
            Assert.Equal(bytes, words);
            Assert.Equal(bytes, dwords);
            Assert.Equal(bytes, session.ReadConfig(offset, 8));
        }
    }

    [SkippableFact]
    public void Config_refuses_access_past_its_end_and_misaligned()
    {
        using var session = Open();
        int size = session.Info.ConfigSize;

        foreach (int width in (int[])[1, 2, 4, 8])
        {
            Refused(Errno.EFAULT, () => session.ReadConfig(size, width));
            Refused(Errno.EFAULT, () => session.WriteConfig(size, width, 0));
            Refused(Errno.EFAULT, () => session.ReadConfig(-width, width));
        }

        Refused(Errno.EINVAL, () => session.ReadConfig(1, 2));
        Refused(Errno.EINVAL, () => session.ReadConfig(2, 4));
        Refused(Errno.EINVAL, () => session.ReadConfig(4, 8));
        Refused(Errno.EINVAL, () => session.WriteConfig(1, 4, 0));
        Refused(Errno.EINVAL, () => session.ReadConfig(0, 3));
    }

    [SkippableFact]
    public void Config_drops_writes_to_what_is_read_only()
    {
        using var session = Open();
        ulong id = session.ReadConfig(0, 4), kind = session.ReadConfig(8, 4);

        session.WriteConfig(0, 4, 0);
        session.WriteConfig(8, 4, 0xffffffff);

        Assert.Equal(id, session.ReadConfig(0, 4));
        Assert.Equal(kind, session.ReadConfig(8, 4));
    }

    [SkippableFact]
    public void Config_sizes_a_memory_bar_when_ones_are_written()
    {
        using var session = Open();
        var bars = session.Info.Bars.Where(b => b.Index < 6 && (session.ReadConfig(0x10 + (4 * b.Index), 4) & 1) == 0).ToArray();
        Skip.If(bars.Length == 0, "The device has no memory BAR.");

        foreach (var bar in bars)
        {
            int offset = 0x10 + (4 * bar.Index);
            ulong before = session.ReadConfig(offset, 4);
            session.WriteConfig(offset, 4, 0xffffffff);
            uint mask = (uint)session.ReadConfig(offset, 4) & ~0xfu;
            session.WriteConfig(offset, 4, before);
            Assert.Equal(bar.Size, (ulong)(~mask + 1));
            Assert.Equal(before, session.ReadConfig(offset, 4));
        }
    }
}
