using System.Buffers.Binary;
using Riser.Actors.Backends;

namespace Riser.Actors.ConfigSpace;

/// <summary>
/// Configuration space as a user sees it: the device's bytes and a shadow, mixed by <see cref="AccessRules"/>.
/// Not thread-safe: the lock of whoever owns the function covers it.
/// </summary>
internal sealed class PciConfigSpace
{
    private readonly ConfigLayout _layout;
    private readonly IConfigFunction _function;
    private readonly byte[] _shadow;
    private bool _msiEnabled;

    public PciConfigSpace(ConfigLayout layout, IConfigFunction function)
    {
        _layout = layout;
        _function = function;
        _shadow = layout.NewShadow();
        for (int bar = 0; bar < 6; bar++)
            FixBar(bar);
        FixRom();
    }

    /// <summary>Reads 1, 2, 4 or 8 bytes.</summary>
    /// <exception cref="PciException">EINVAL: misaligned or a wrong width; EFAULT: past the end.</exception>
    public ulong Read(int offset, int width)
    {
        Check(offset, width);
        ulong value = 0;
        for (int i = width - 1; i >= 0; i--)
            value = (value << 8) | ReadByte(offset + i);
        return value;
    }

    /// <summary>Writes 1, 2, 4 or 8 bytes as far as the rules allow.</summary>
    /// <inheritdoc cref="Read" path="/exception"/>
    public void Write(int offset, int width, ulong value)
    {
        Check(offset, width);
        bool lostMemory = Covers(offset, width, 4) && (_shadow[4] & 3 & ~_function.ReadHardware(4)) != 0;
        if (lostMemory && ((value >> (8 * (4 - offset))) & 3) != 0)
            _function.RestoreBars();
        bool hardware = false;
        for (int i = 0; i < width; i++)
            hardware |= WriteByte(offset + i, (byte)(value >> (8 * i)));
        for (int i = 0; i < width; i++)
        {
            // Once for each field that the access touches, after all its bytes are in place.
            var (effect, field, start) = _layout.EffectAt(offset + i);
            if (effect != RuleEffect.None && (i == 0 || _layout.EffectAt(offset + i - 1).FieldOffset != field))
                Apply(effect, start, field, offset, width, value);
        }

        if (hardware)
            _function.HardwareWritten();
    }

    /// <summary>MSI was turned on or off by the interrupt call, the only way to do it (rule 21).</summary>
    public void SetMsiEnabled(bool enabled)
    {
        _msiEnabled = enabled;
        if (_layout.Capabilities.FirstOrDefault(c => c is { Scope: ConfigScope.Standard, Id: CapabilityId.Msi }) is { Offset: > 0 } msi)
            _shadow[msi.Offset + 2] = (byte)((_shadow[msi.Offset + 2] & 0xfe) | (enabled ? 1 : 0));
    }

    /// <summary>The COMMAND bits that the user relies on were set by other means: the shadow follows.</summary>
    public void CommandChanged(ushort command) => _shadow[4] = (byte)((_shadow[4] & ~3) | (command & 3));

    private byte ReadByte(int offset)
    {
        byte seen = _layout.VirtualBits(offset);
        int hardware = seen == 0xff ? 0 : _function.ReadHardware(offset);
        return (byte)((hardware & ~seen) | (_shadow[offset] & seen));
    }

    private bool WriteByte(int offset, byte value)
    {
        int seen = _layout.VirtualBits(offset), writable = _layout.WritableBits(offset);
        int inShadow = seen & writable, inDevice = writable & ~seen;
        _shadow[offset] = (byte)((_shadow[offset] & ~inShadow) | (value & inShadow));
        if (inDevice == 0)
            return false;
        _function.WriteHardware(offset, (byte)((_function.ReadHardware(offset) & ~inDevice) | (value & inDevice)));
        return true;
    }

    private void Apply(RuleEffect effect, int start, int field, int offset, int width, ulong value)
    {
        switch (effect)
        {
            case RuleEffect.Command: Command(offset, width, value); break;
            case RuleEffect.Bar: FixBar((field - 0x10) / 4); break;
            case RuleEffect.Rom: FixRom(); break;
            case RuleEffect.PowerState when Covers(offset, width, field): _function.SetPowerState((int)(value >> (8 * (field - offset))) & 3); break;
            case RuleEffect.Vpd when Covers(offset, width, field + 1): Vpd(field); break;
            case RuleEffect.DeviceControl: DeviceControl(start, field); break;
            case RuleEffect.FunctionReset: AdvancedFeatures(start, field); break;
            case RuleEffect.MsiControl: MsiControl(field); break;
            default: break;
        }
    }

    private void Command(int offset, int width, ulong value)
    {
        if (Covers(offset, width, 4))
        {
            byte low = (byte)(value >> (8 * (4 - offset)));
            _shadow[4] = (byte)((_shadow[4] & ~3) | (low & 3));
            _function.SetMemoryEnabled((low & 2) != 0);
        }

        if (Covers(offset, width, 5))
            _function.SetIntxDisabled((_shadow[5] & 4) != 0);
    }

    // The user's address is kept as far as the size mask goes, and the type bits are the device's: it can size a BAR, not move it.
    private void FixBar(int bar)
    {
        var at = _shadow.AsSpan(0x10 + (4 * bar), 4);
        uint kept = BinaryPrimitives.ReadUInt32LittleEndian(at);
        ulong lower = bar > 0 ? _layout.Traits.BarSizes[bar - 1] : 0;
        uint type = Hardware(0x10 + (4 * bar));
        if (_layout.Traits.BarSizes[bar] is > 0 and var size)
            kept = (type & 1) != 0 ? (kept & ~(uint)(size - 1) & ~3u) | (type & 3) : (kept & (uint)~(size - 1) & ~0xfu) | (type & 0xf);
        else
            kept = lower > 0 && (Hardware(0x10 + (4 * (bar - 1))) & 7) == 4 ? kept & (uint)(~(lower - 1) >> 32) : 0;
        BinaryPrimitives.WriteUInt32LittleEndian(at, kept);
    }

    private void FixRom()
    {
        var at = _shadow.AsSpan(0x30, 4);
        ulong size = _layout.Traits.RomSize;
        BinaryPrimitives.WriteUInt32LittleEndian(at, size == 0 ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(at) & ((uint)~(size - 1) | 1));
    }

    private void Vpd(int field)
    {
        int address = Word(field);
        bool write = (address & 0x8000) != 0;
        uint data = BinaryPrimitives.ReadUInt32LittleEndian(_shadow.AsSpan(field + 2));
        if (!_function.TryVpd(address & 0x7fff, write, ref data))
            return;
        BinaryPrimitives.WriteUInt32LittleEndian(_shadow.AsSpan(field + 2), data);
        BinaryPrimitives.WriteUInt16LittleEndian(_shadow.AsSpan(field), (ushort)(address ^ 0x8000));
    }

    private void DeviceControl(int start, int field)
    {
        int control = Word(field);
        _shadow[field + 1] &= 0x7f;
        if ((control & 0x8000) != 0 && (_function.ReadHardware(start + 7) & 0x10) != 0)
            _function.ResetFunction();
        int hardware = _function.ReadHardware(field) | (_function.ReadHardware(field + 1) << 8);
        int readRequest = Math.Max((control >> 12) & 7, (hardware >> 5) & 7);
        _function.WriteHardware(field + 1, (byte)((hardware >> 8 & 0x8f) | (readRequest << 4)));
    }

    private void AdvancedFeatures(int start, int field)
    {
        bool asked = (_shadow[field] & 1) != 0;
        _shadow[field] &= 0xfe;
        if (asked && (_function.ReadHardware(start + 3) & 3) == 3)
            _function.ResetFunction();
    }

    private void MsiControl(int field)
    {
        int most = (_function.ReadHardware(field) >> 1) & 7, control = _shadow[field];
        int size = Math.Min((control >> 4) & 7, most);
        control = (control & 0x81) | (most << 1) | (size << 4);
        _shadow[field] = (byte)(_msiEnabled ? control : control & 0xfe);
        _function.WriteHardware(field, _shadow[field]);
    }

    private int Word(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_shadow.AsSpan(offset));

    private uint Hardware(int offset) => (uint)(_function.ReadHardware(offset) | (_function.ReadHardware(offset + 1) << 8) | (_function.ReadHardware(offset + 2) << 16) | (_function.ReadHardware(offset + 3) << 24));

    private static bool Covers(int offset, int width, int at) => offset <= at && at < offset + width;

    private void Check(int offset, int width)
    {
        if (width is not (1 or 2 or 4 or 8) || (offset & (width - 1)) != 0)
            throw new PciException(Errno.EINVAL, $"{width} bytes at offset 0x{offset:x} are no aligned access of configuration space", "Use 1, 2, 4 or 8 bytes at a multiple of the width.");
        if (offset < 0 || offset > _layout.Size - width)
            throw new PciException(Errno.EFAULT, $"{width} bytes at offset 0x{offset:x} are past the end of configuration space, which has {_layout.Size} bytes", "Stay within the space.");
    }
}
