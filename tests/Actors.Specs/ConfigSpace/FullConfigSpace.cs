using System.Buffers.Binary;
using Riser.Actors.ConfigSpace;

namespace Riser.Actors.Specs.ConfigSpace;

/// <summary>A device whose every configuration bit can be written, with every capability that has a rule: what stays unchanged was refused by the rules.</summary>
internal sealed class FullConfigSpace : IConfigFunction
{
    public FullConfigSpace(bool msi64 = true, bool virtualFunction = false, bool intx = true)
    {
        var builder = new ConfigSpaceBuilder().Header(0x1234, 0x5678, 0x020000, intx: true).Bar(0, 0xe0000000, wide: false).Bar(2, 0xd0000000, wide: true);
        builder.Dword(0x30, 0xc0000000);
        builder.Standard(CapabilityId.PowerManagement, 8, out int at).Word(at + 2, 0xf803);
        builder.Standard(0x0d, 8, out _); // hidden: subsystem id
        builder.Standard(CapabilityId.VitalProductData, 8, out _);
        builder.Standard(CapabilityId.Msi, msi64 ? 24 : 20, out at).Word(at + 2, (ushort)(0x010a | (msi64 ? 0x80 : 0)));
        builder.Standard(CapabilityId.PciX, 24, out at).Word(at + 2, 0x1000);
        builder.Standard(CapabilityId.Vendor, 11, out at);
        builder.Bytes[at + 2] = 11;
        builder.Standard(CapabilityId.PciExpress, 0x3c, out at).Word(at + 2, 0x0002).Dword(at + 4, 0x10000000);
        builder.Standard(CapabilityId.MsiX, 12, out at).Word(at + 2, 0x001f);
        builder.Standard(CapabilityId.AdvancedFeatures, 6, out at);
        (builder.Bytes[at + 2], builder.Bytes[at + 3]) = (6, 3);
        builder.Extended(ExtendedCapabilityId.AdvancedErrorReporting, 2, 0x2c, out _);
        builder.Extended(0x1b, 1, 8, out _); // hidden: PASID
        builder.Extended(ExtendedCapabilityId.PowerBudgeting, 1, 16, out _);
        builder.Extended(ExtendedCapabilityId.Vendor, 1, 16, out at).Dword(at + 4, 16u << 20);
        builder.Extended(ExtendedCapabilityId.DesignatedVendor, 1, 12, out at).Dword(at + 4, 12u << 20);
        builder.Extended(ExtendedCapabilityId.SerialNumber, 1, 12, out _);
        Bytes = builder.Bytes;
        Layout = new(Bytes, new ConfigTraits([4096, 0, 1UL << 33, 0, 0, 0], 65536, virtualFunction, intx));
        Space = new(Layout, this);
    }

    public byte[] Bytes { get; }

    public ConfigLayout Layout { get; }

    public PciConfigSpace Space { get; }

    public int Resets { get; private set; }

    public int Restores { get; private set; }

    public int PowerState { get; private set; }

    public bool? IntxDisabled { get; private set; }

    public bool? MemoryEnabled { get; private set; }

    public Dictionary<int, uint> Vpd { get; } = [];

    public int Find(int id, ConfigScope scope = ConfigScope.Standard) => Layout.Capabilities.Single(c => c.Scope == scope && c.Id == id).Offset;

    public uint Hardware(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes.AsSpan(offset));

    public byte ReadHardware(int offset) => Bytes[offset];

    public void WriteHardware(int offset, byte value) => Bytes[offset] = value;

    public void HardwareWritten()
    {
    }

    public void SetIntxDisabled(bool disabled) => IntxDisabled = disabled;

    public void SetMemoryEnabled(bool enabled) => MemoryEnabled = enabled;

    public void RestoreBars() => Restores++;

    public void SetPowerState(int state) => PowerState = state;

    public void ResetFunction() => Resets++;

    public bool TryVpd(int address, bool write, ref uint data)
    {
        if (write)
            Vpd[address] = data;
        else if (!Vpd.TryGetValue(address, out data))
            return false;
        return true;
    }
}
