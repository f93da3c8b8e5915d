using Riser.Actors.ConfigSpace;

namespace Riser.Actors.Specs.ConfigSpace;

/// <summary>Every byte of a space in which everything could be written, written with ones and with zeros, against the rule that names it.</summary>
public sealed class AccessRulesSpecs
{
    // Fields whose value has a meaning of its own: their rules are asserted one by one in PciConfigSpaceSpecs.
    private static readonly HashSet<RuleEffect> s_special = [RuleEffect.Bar, RuleEffect.Rom, RuleEffect.Vpd, RuleEffect.DeviceControl, RuleEffect.FunctionReset, RuleEffect.MsiControl];

    public static TheoryData<bool, bool, byte> Spaces
    {
        get
        {
            TheoryData<bool, bool, byte> data = [];
            foreach (bool msi64 in (bool[])[true, false])
            {
                foreach (bool virtualFunction in (bool[])[true, false])
                {
                    data.Add(msi64, virtualFunction, 0xff);
                    data.Add(msi64, virtualFunction, 0x00);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Spaces))]
    public void Every_byte_follows_its_rule_when_written(bool msi64, bool virtualFunction, byte value)
    {
        for (int offset = 0; offset < 4096; offset++)
        {
            var device = new FullConfigSpace(msi64, virtualFunction);
            var (seen, writable, effect) = Expected(device, offset, msi64, virtualFunction);
            if (s_special.Contains(effect))
                continue;
            byte before = (byte)device.Space.Read(offset, 1), hardware = device.Bytes[offset];

            device.Space.Write(offset, 1, value);

            byte expected = (byte)((before & ~writable) | (value & writable));
            byte inDevice = (byte)((hardware & ~(writable & ~seen)) | (value & writable & ~seen));
            Assert.True(expected == device.Space.Read(offset, 1), $"0x{offset:x}: reads {device.Space.Read(offset, 1):x2}, not {expected:x2}");
            Assert.True(inDevice == device.Bytes[offset], $"0x{offset:x}: the device has {device.Bytes[offset]:x2}, not {inDevice:x2}");
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    public void A_wide_write_does_what_its_bytes_do(int width)
    {
        for (int offset = 0; offset < 4096; offset += width)
        {
            var wide = new FullConfigSpace();
            var narrow = new FullConfigSpace();

            wide.Space.Write(offset, width, ulong.MaxValue);
            for (int i = 0; i < width; i++)
                narrow.Space.Write(offset + i, 1, 0xff);

            Assert.Equal(narrow.Space.Read(offset, width), wide.Space.Read(offset, width));
            Assert.Equal(narrow.Bytes, wide.Bytes);
            Assert.Equal(narrow.Resets > 0, wide.Resets > 0);
        }
    }

    [Fact]
    public void Every_rule_is_met_by_a_byte_of_the_space()
    {
        var met = new HashSet<AccessRule>();
        foreach (var device in (FullConfigSpace[])[new(true), new(false), new(true, virtualFunction: true)])
        {
            foreach (var capability in device.Layout.Capabilities.Where(c => !c.Hidden).Append(new(ConfigScope.Header, 0, 0, 0x40, 0)))
                met.UnionWith(AccessRules.Table.Where(r => r.Scope == capability.Scope && (r.Capability == capability.Id || r.Capability < 0) && r.Offset < capability.Length));
        }

        Assert.Empty(AccessRules.Table.Except(met));
    }

    [Fact]
    public void Table_can_be_written_as_text_with_a_line_for_each_row()
    {
        string[] lines = [.. AccessRules.Lines];

        Assert.Equal(AccessRules.Table.Count, lines.Length);
        Assert.Equal(lines.Length, lines.Distinct().Count());
        Assert.Contains("hdr 00 +04 w virtual=400 writable=ffff", lines);
        Assert.Contains("std 05 +08 w virtual=ffff writable=ffff if=msi32", lines);
        Assert.Contains("std 09 +02 rest virtual=0 writable=ff", lines);
        Assert.Contains("ext * +00 d virtual=ffffffff writable=0", lines);
    }

    // The rule of a byte, found by reading the table as a person would: the last row that names it.
    private static (byte Seen, byte Writable, RuleEffect Effect) Expected(FullConfigSpace device, int offset, bool msi64, bool virtualFunction)
    {
        var owner = offset < 0x40
            ? new Capability(ConfigScope.Header, 0, 0, 0x40, 0)
            : device.Layout.Capabilities.FirstOrDefault(c => !c.Hidden && offset >= c.Offset && offset < c.Offset + c.Length);
        if (owner.Length == 0)
        {
            // A hidden one, if that is what starts last before it in its part of the space; else a gap.
            var before = device.Layout.Capabilities.Where(c => c.Offset <= offset && c.Offset < 0x100 == offset < 0x100).OrderBy(c => c.Offset).LastOrDefault();
            return (0, before is { Offset: > 0, Hidden: true } ? (byte)0 : (byte)0xff, RuleEffect.None);
        }

        int at = offset - owner.Offset;
        var rule = AccessRules.Table.LastOrDefault(r => r.Scope == owner.Scope && (r.Capability == owner.Id || r.Capability < 0)
            && at >= r.Offset && (r.Width == 0 || at < r.Offset + r.Width)
            && r.Condition switch
            {
                RuleCondition.Msi32 => !msi64,
                RuleCondition.Msi64 => msi64,
                RuleCondition.VirtualFunction => virtualFunction,
                _ => true,
            });
        if (rule is null)
            return (0, 0, RuleEffect.None);
        int shift = rule.Width == 0 ? 0 : 8 * (at - rule.Offset);
        return ((byte)(rule.Virtual >> shift), (byte)(rule.Writable >> shift), rule.Effect);
    }
}
