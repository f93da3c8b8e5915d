using System.Buffers.Binary;

namespace Riser.Actors.ConfigSpace;

/// <summary>What of a function its configuration space alone does not tell.</summary>
/// <param name="BarSizes">Bytes of BAR 0 to 5; 0 for none. The upper half of a 64-bit BAR is 0 here.</param>
/// <param name="RomSize">Bytes of the expansion ROM; 0 for none.</param>
/// <param name="IsVirtualFunction">An SR-IOV virtual function.</param>
/// <param name="OffersIntx">Whether the user can have INTx; otherwise the pin register reads 0.</param>
internal sealed record ConfigTraits(IReadOnlyList<ulong> BarSizes, ulong RomSize = 0, bool IsVirtualFunction = false, bool OffersIntx = true);

/// <summary>
/// The access rules laid over the capabilities of one kind of function, byte by byte, and the shadow that a session
/// begins with. Immutable; functions of the same kind share it.
/// </summary>
internal sealed class ConfigLayout
{
    private readonly byte[] _virtual;
    private readonly byte[] _writable;
    private readonly byte[] _rule; // 1 + index into the table of the row that has an effect on the byte
    private readonly short[] _start; // of the capability that the byte belongs to
    private readonly byte[] _shadow;

    /// <param name="space">256 or 4096 bytes as the device has them.</param>
    /// <param name="traits">What they do not tell.</param>
    public ConfigLayout(ReadOnlySpan<byte> space, ConfigTraits traits)
    {
        Traits = traits;
        Size = space.Length;
        Capabilities = ConfigSpace.Capabilities.Parse(space);
        (_virtual, _writable, _rule, _start) = (new byte[Size], new byte[Size], new byte[Size], new short[Size]);
        Array.Fill(_writable, (byte)0xff, 0x40, Size - 0x40); // gaps pass through
        Hide();
        Lay(space, ConfigScope.Header, 0, 0, 0x40);
        foreach (var capability in Capabilities.Where(c => !c.Hidden))
            Lay(space, capability.Scope, capability.Id, capability.Offset, capability.Length);
        Placeholder();
        _shadow = Shadow(space);
    }

    /// <summary>Bytes.</summary>
    public int Size { get; }

    public ConfigTraits Traits { get; }

    public IReadOnlyList<Capability> Capabilities { get; }

    /// <summary>Bits of a byte that come from the shadow.</summary>
    public byte VirtualBits(int offset) => _virtual[offset];

    /// <summary>Bits of a byte that a write changes.</summary>
    public byte WritableBits(int offset) => _writable[offset];

    /// <summary>What a write of a byte does besides, and the first byte of the capability.</summary>
    public (RuleEffect Effect, int FieldOffset, int Start) EffectAt(int offset)
    {
        if (_rule[offset] == 0)
            return default;
        var rule = AccessRules.Table[_rule[offset] - 1];
        return (rule.Effect, _start[offset] + rule.Offset, _start[offset]);
    }

    /// <summary>A fresh shadow.</summary>
    public byte[] NewShadow() => (byte[])_shadow.Clone();

    // What is hidden is the kernel's. Most of it does not say how long it is: it is taken to end where the next one starts.
    private void Hide()
    {
        foreach (var hidden in Capabilities.Where(c => c.Hidden))
        {
            int end = hidden.Scope == ConfigScope.Standard ? 0x100 : Size;
            foreach (var other in Capabilities.Where(c => c.Offset > hidden.Offset))
                end = Math.Min(end, other.Offset);
            _writable.AsSpan(hidden.Offset, end - hidden.Offset).Clear();
        }
    }

    private void Lay(ReadOnlySpan<byte> space, ConfigScope scope, int id, int offset, int length)
    {
        _writable.AsSpan(offset, length).Clear();
        bool msi64 = scope == ConfigScope.Standard && id == CapabilityId.Msi && (space[offset + 2] & 0x80) != 0;
        for (int i = 0; i < AccessRules.Table.Count; i++)
        {
            var rule = AccessRules.Table[i];
            if (rule.Scope != scope || (rule.Capability != id && rule.Capability >= 0) || !Applies(rule.Condition, msi64))
                continue;
            int last = rule.Width == 0 ? length : Math.Min(rule.Offset + rule.Width, length);
            for (int at = rule.Offset; at < last; at++)
            {
                int shift = rule.Width == 0 ? 0 : 8 * (at - rule.Offset);
                _virtual[offset + at] = (byte)(rule.Virtual >> shift);
                _writable[offset + at] = (byte)(rule.Writable >> shift);
                _rule[offset + at] = rule.Effect == RuleEffect.None ? (byte)0 : (byte)(i + 1);
                _start[offset + at] = (short)offset;
            }
        }
    }

    private bool Applies(RuleCondition condition, bool msi64) => condition switch
    {
        RuleCondition.VirtualFunction => Traits.IsVirtualFunction,
        RuleCondition.Msi32 => !msi64,
        RuleCondition.Msi64 => msi64,
        _ => true,
    };

    // A hidden first extended capability cannot be unlinked: its header stays, without an id.
    private void Placeholder()
    {
        if (Capabilities.Any(c => c.Scope == ConfigScope.Extended && c.Offset == 0x100 && c.Hidden))
        {
            _virtual.AsSpan(0x100, 4).Fill(0xff);
            _writable.AsSpan(0x100, 4).Clear();
        }
    }

    private byte[] Shadow(ReadOnlySpan<byte> space)
    {
        byte[] shadow = space.ToArray();
        LinkStandard(shadow);
        LinkExtended(shadow);
        if (!Traits.OffersIntx)
            shadow[0x3d] = 0;
        if (Traits.IsVirtualFunction)
            shadow[0x04] |= 0x02; // it has no such bit, and decodes from the start
        foreach (var capability in Capabilities.Where(c => c is { Scope: ConfigScope.Standard, Hidden: false }))
        {
            if (capability.Id == CapabilityId.PowerManagement)
            {
                shadow[capability.Offset + 3] &= 0x07; // no PME from any state, nor on, nor pending
                shadow[capability.Offset + 5] &= 0x7e;
            }

            if (capability.Id == CapabilityId.Msi)
                shadow[capability.Offset + 2] &= 0xfe;
        }

        return shadow;
    }

    private void LinkStandard(byte[] shadow)
    {
        int previous = 0x34;
        foreach (var capability in Capabilities.Where(c => c is { Scope: ConfigScope.Standard, Hidden: false }))
        {
            shadow[previous] = (byte)capability.Offset;
            previous = capability.Offset + 1;
        }

        shadow[previous] = 0;
        if (previous == 0x34)
            shadow[0x06] &= 0xef;
    }

    private void LinkExtended(byte[] shadow)
    {
        int previous = -1;
        foreach (var capability in Capabilities.Where(c => c.Scope == ConfigScope.Extended))
        {
            if (capability.Hidden && capability.Offset != 0x100)
                continue;
            if (previous >= 0)
                SetNext(shadow, previous, capability.Offset);
            previous = capability.Offset;
            if (capability.Hidden)
                BinaryPrimitives.WriteUInt32LittleEndian(shadow.AsSpan(previous), 0);
        }

        if (previous >= 0)
            SetNext(shadow, previous, 0);
    }

    private static void SetNext(byte[] shadow, int offset, int next)
    {
        uint header = BinaryPrimitives.ReadUInt32LittleEndian(shadow.AsSpan(offset));
        BinaryPrimitives.WriteUInt32LittleEndian(shadow.AsSpan(offset), (header & 0xfffff) | ((uint)next << 20));
    }
}
