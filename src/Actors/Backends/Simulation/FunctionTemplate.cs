using System.Collections.Concurrent;
using System.Numerics;
using Riser.Actors.ConfigSpace;

namespace Riser.Actors.Backends.Simulation;

/// <summary>The configuration space of all simulated functions of one shape, before anyone has written to it. Immutable and shared.</summary>
internal sealed class FunctionTemplate
{
    private FunctionTemplate(SimulatedShape shape)
    {
        var builder = new ConfigSpaceBuilder().Header(shape.VendorId, shape.ProductId, shape.ClassCode, shape.HasIntx);
        ulong[] sizes = AddBars(builder, shape);
        AddStandard(builder, shape);
        AddExtended(builder);
        (Bytes, Writable, ClearedByOne) = (builder.Bytes, builder.Writable, builder.ClearedByOne);
        Layout = new(Bytes, new(sizes, OffersIntx: shape.HasIntx));
    }

    public byte[] Bytes { get; }

    public byte[] Writable { get; }

    public byte[] ClearedByOne { get; }

    public ConfigLayout Layout { get; }

    /// <summary>First byte of a capability; 0 where there is none.</summary>
    public int Find(ConfigScope scope, int id) => Layout.Capabilities.FirstOrDefault(c => c.Scope == scope && c.Id == id).Offset;

    private static ulong[] AddBars(ConfigSpaceBuilder builder, SimulatedShape shape)
    {
        ulong[] sizes = new ulong[6];
        foreach (var bar in shape.Bars)
            sizes[bar.Index] = bar.Size;
        if (shape.MsixVectors > 0)
            sizes[MsixTable.Bar] = MsixTable.Size(shape.MsixVectors);
        ulong address = 0x8000_0000;
        for (int i = 0; i < 6; i++)
        {
            if (sizes[i] == 0)
                continue;
            address = (address + sizes[i] - 1) & ~(sizes[i] - 1);
            bool wide = i < 5 && i != MsixTable.Bar && sizes[i + 1] == 0 && shape.Bars.Any(b => b.Index == i && b.Shared);
            builder.Bar(i, (uint)address, wide);
            address += sizes[i];
        }

        return sizes;
    }

    private static void AddStandard(ConfigSpaceBuilder builder, SimulatedShape shape)
    {
        // Power management 1.2: version 3, PME from D0 and D3hot; a change of state keeps everything (No_Soft_Reset).
        builder.Standard(CapabilityId.PowerManagement, 8, out int at).Word(at + 2, 0x4803).Word(at + 4, 0x0008);
        if (shape.MsiVectors > 0)
        {
            int log = BitOperations.Log2((uint)shape.MsiVectors);
            builder.Standard(CapabilityId.Msi, 14, out at).Word(at + 2, (ushort)(0x0080 | (log << 1)), 0x0071);
        }

        if (shape.MsixVectors > 0)
        {
            builder.Standard(CapabilityId.MsiX, 12, out at).Word(at + 2, (ushort)(shape.MsixVectors - 1), 0xc000)
                .Dword(at + 4, MsixTable.Bar).Dword(at + 8, (uint)MsixTable.PendingOffset(shape.MsixVectors) | MsixTable.Bar);
        }

        // 8 bytes of registers for whatever a driver likes.
        builder.Standard(CapabilityId.Vendor, 12, out at).Word(at + 2, 12).Dword(at + 4, 0, uint.MaxValue).Dword(at + 8, 0, uint.MaxValue);

        // PCI Express endpoint, version 2, FLR, payload up to 512 bytes.
        builder.Standard(CapabilityId.PciExpress, 0x3c, out at).Word(at + 2, 0x0002).Dword(at + 4, 0x1000_8002).Word(at + 8, 0x2810, 0x7eff)
            .Dword(at + 0x0c, 0x0040_0011).Word(at + 0x12, 0x0011).Word(at + 0x28, 0, 0x001f);
        builder.Standard(CapabilityId.VitalProductData, 8, out _);
    }

    private static void AddExtended(ConfigSpaceBuilder builder)
    {
        builder.Extended(ExtendedCapabilityId.AdvancedErrorReporting, 2, 0x48, out int at)
            .Dword(at + 0x08, 0, 0x03ff_f030).Dword(at + 0x0c, 0x0046_2030, 0x03ff_f030).Dword(at + 0x14, 0xe000, 0xf1c1).Dword(at + 0x18, 0xa0, 0x140);
        BitConverter.TryWriteBytes(builder.ClearedByOne.AsSpan(at + 0x04), 0x03ff_f030u);
        BitConverter.TryWriteBytes(builder.ClearedByOne.AsSpan(at + 0x10), 0xf1c1u);
        builder.Extended(ExtendedCapabilityId.SerialNumber, 1, 12, out _);
        builder.Extended(ExtendedCapabilityId.Vendor, 1, 16, out at).Dword(at + 4, (16u << 20) | 1).Dword(at + 8, 0, uint.MaxValue).Dword(at + 12, 0, uint.MaxValue);
        builder.Extended(ExtendedCapabilityId.LatencyTolerance, 1, 8, out _);
    }

    /// <summary>The templates of one backend, made once per shape.</summary>
    internal sealed class Cache
    {
        private readonly ConcurrentDictionary<(uint Id, uint Class, int Msix, int Msi, bool Intx, string Bars), FunctionTemplate> _made = new();

        public FunctionTemplate For(SimulatedShape shape)
        {
            var key = (((uint)shape.VendorId << 16) | shape.ProductId, shape.ClassCode, shape.MsixVectors, shape.MsiVectors, shape.HasIntx, string.Join(',', shape.Bars));
            return _made.GetOrAdd(key, _ => new(shape));
        }
    }
}
