using System.Buffers.Binary;
using Riser.Actors.ConfigSpace;

namespace Riser.Actors.Backends.Simulation;

/// <summary>
/// The configuration registers of one simulated function, and what the kernel would do behind a user's back: keep the
/// command register over a reset, enable MSI for the one who arms it. Under the function's lock.
/// </summary>
internal sealed class FunctionConfig : IConfigFunction
{
    private const int Command = 4;
    private const byte Memory = 2, BusMaster = 4;

    private readonly FunctionTemplate _template;
    private readonly SimulatedFunction _function;
    private readonly byte[] _bytes;
    private readonly int _power, _msi, _msix, _aer;
    private PciConfigSpace? _space; // of the open session
    private byte _commandBefore;

    public FunctionConfig(FunctionTemplate template, SimulatedFunction function, string name)
    {
        _template = template;
        _function = function;
        _bytes = (byte[])template.Bytes.Clone();
        _power = template.Find(ConfigScope.Standard, CapabilityId.PowerManagement);
        _msi = template.Find(ConfigScope.Standard, CapabilityId.Msi);
        _msix = template.Find(ConfigScope.Standard, CapabilityId.MsiX);
        _aer = template.Find(ConfigScope.Extended, ExtendedCapabilityId.AdvancedErrorReporting);
        WriteSerial(name);
    }

    public bool IsBusMaster => (_bytes[Command] & BusMaster) != 0;

    /// <summary>BARs answer: memory decoding is on and the function is in D0.</summary>
    public bool IsMemoryEnabled => (_bytes[Command] & Memory) != 0 && (_bytes[_power + 4] & 3) == 0;

    /// <summary>A session begins with a fresh shadow, memory decoding and bus mastering.</summary>
    public void Open()
    {
        _bytes[Command] |= Memory | BusMaster;
        _commandBefore = _bytes[Command];
        _space = new(_template.Layout, this);
        _space.CommandChanged(_bytes[Command]);
    }

    public void Close() => _space = null;

    public ulong Read(int offset, int width) => _space!.Read(offset, width);

    public void Write(int offset, int width, ulong value) => _space!.Write(offset, width, value);

    public void SetBusMaster(bool enabled)
    {
        _bytes[Command] = (byte)(enabled ? _bytes[Command] | BusMaster : _bytes[Command] & ~BusMaster);
        _commandBefore = _bytes[Command];
    }

    public void SetEnabled(VectorKind kind, bool enabled)
    {
        if (kind == VectorKind.Msi)
            _space?.SetMsiEnabled(enabled);
        if (kind == VectorKind.Msi && _msi != 0)
            _bytes[_msi + 2] = (byte)((_bytes[_msi + 2] & 0xfe) | (enabled ? 1 : 0));
        if (kind == VectorKind.MsiX && _msix != 0)
            _bytes[_msix + 3] = (byte)((_bytes[_msix + 3] & 0x7f) | (enabled ? 0x80 : 0));
    }

    /// <summary>An uncorrectable internal error, as AER shows it (bit 22).</summary>
    public void ReportError() => _bytes[_aer + 4 + 2] |= 0x40;

    /// <summary>Power-on values, but for the command register and what is armed, which the kernel restores.</summary>
    public void Reset()
    {
        byte low = _bytes[Command], high = _bytes[Command + 1];
        byte msi = _msi == 0 ? (byte)0 : _bytes[_msi + 2], msix = _msix == 0 ? (byte)0 : _bytes[_msix + 3];
        ulong serial = Serial();
        _template.Bytes.CopyTo(_bytes, 0);
        (_bytes[Command], _bytes[Command + 1]) = (low, high);
        if (_msi != 0)
            _bytes[_msi + 2] = msi;
        if (_msix != 0)
            _bytes[_msix + 3] = msix;
        BinaryPrimitives.WriteUInt64LittleEndian(SerialBytes, serial);
    }

    public byte ReadHardware(int offset) => _bytes[offset];

    public void WriteHardware(int offset, byte value)
    {
        int writable = _template.Writable[offset], cleared = _template.ClearedByOne[offset];
        _bytes[offset] = (byte)((((_bytes[offset] & ~writable) | (value & writable)) & ~cleared) | (_bytes[offset] & cleared & ~value));
    }

    public void HardwareWritten()
    {
        byte before = _commandBefore;
        _commandBefore = _bytes[Command];
        if (((before ^ _commandBefore) & BusMaster) != 0)
            _function.StateChanged();
    }

    public void SetIntxDisabled(bool disabled) => _function.Vectors.DisableIntx(disabled);

    public void SetMemoryEnabled(bool enabled)
    {
        // Nothing to take away: trapped BARs ask IsMemoryEnabled; a shared BAR stays mapped, as SimulatedBar says.
    }

    public void RestoreBars() => _template.Bytes.AsSpan(0x10, 0x24).CopyTo(_bytes.AsSpan(0x10));

    public void SetPowerState(int state)
    {
        _bytes[_power + 4] = (byte)((_bytes[_power + 4] & ~3) | state);
        _function.StateChanged();
    }

    public void ResetFunction() => _function.Reset();

    // An empty but valid list of resources: an identifier string "pony" and the end tag (PCI 6.28 and PC ISA tags).
    public bool TryVpd(int address, bool write, ref uint data)
    {
        ReadOnlySpan<byte> content = [0x82, 4, 0, (byte)'p', (byte)'o', (byte)'n', (byte)'y', 0x78];
        if (write || (address & 3) != 0)
            return false;
        data = address < content.Length ? BinaryPrimitives.ReadUInt32LittleEndian(content[address..]) : 0;
        return true;
    }

    private Span<byte> SerialBytes => _bytes.AsSpan(_template.Find(ConfigScope.Extended, ExtendedCapabilityId.SerialNumber) + 4, 8);

    private ulong Serial() => BinaryPrimitives.ReadUInt64LittleEndian(SerialBytes);

    // Stable for a name, different for different ones.
    private void WriteSerial(string name)
    {
        ulong serial = 0xcbf29ce484222325;
        foreach (char c in name)
            serial = (serial ^ c) * 0x100000001b3;
        BinaryPrimitives.WriteUInt64LittleEndian(SerialBytes, serial);
    }
}
