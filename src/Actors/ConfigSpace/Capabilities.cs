using System.Buffers.Binary;

namespace Riser.Actors.ConfigSpace;

/// <summary>A part of configuration space.</summary>
internal enum ConfigScope
{
    /// <summary>Bytes 0x00 to 0x3f.</summary>
    Header,

    /// <summary>A standard capability, 0x40 to 0xff.</summary>
    Standard,

    /// <summary>An extended capability, 0x100 and up.</summary>
    Extended,
}

/// <summary>One capability of a function.</summary>
/// <param name="Scope">Standard or extended.</param>
/// <param name="Id">Its id; of extended ones 16 bits.</param>
/// <param name="Offset">First byte.</param>
/// <param name="Length">Bytes; 0 when the capability is hidden, because nobody knows its length or it is none of the user's business (rules 13 and 24).</param>
/// <param name="Next">Offset of the next one; 0 at the end.</param>
internal readonly record struct Capability(ConfigScope Scope, int Id, int Offset, int Length, int Next)
{
    public bool Hidden => Length == 0;
}

/// <summary>Reads the capability lists of a configuration space. Broken lists (loops, wild pointers) end where they break.</summary>
internal static class Capabilities
{
    private const int HeaderSize = 0x40;
    private const int StandardSize = 0x100;

    // A PCI Express function of the root complex, which has no link. PCI Express 7.5.3.2.
    private const int IntegratedEndpoint = 9;

    /// <summary>All capabilities in list order, hidden ones too: the standard list, then the extended one.</summary>
    public static IReadOnlyList<Capability> Parse(ReadOnlySpan<byte> space)
    {
        List<Capability> found = [];
        if (space.Length >= StandardSize && (space[0x06] & 0x10) != 0)
            ParseStandard(space, found);
        if (space.Length > StandardSize && Dword(space, StandardSize) is not (0 or uint.MaxValue))
            ParseExtended(space, found);
        return found;
    }

    private static void ParseStandard(ReadOnlySpan<byte> space, List<Capability> found)
    {
        HashSet<int> seen = [];
        int offset = space[0x34] & 0xfc;
        while (offset >= HeaderSize && seen.Add(offset))
        {
            int id = space[offset], next = space[offset + 1] & 0xfc;
            found.Add(new(ConfigScope.Standard, id, offset, Math.Min(StandardLength(space, id, offset), StandardSize - offset), next));
            offset = next;
        }
    }

    private static void ParseExtended(ReadOnlySpan<byte> space, List<Capability> found)
    {
        HashSet<int> seen = [];
        int offset = StandardSize;
        while (offset >= StandardSize && offset <= space.Length - 8 && seen.Add(offset))
        {
            uint header = Dword(space, offset);
            int id = (int)(header & 0xffff), next = (int)(header >> 20) & 0xffc;
            found.Add(new(ConfigScope.Extended, id, offset, Math.Min(ExtendedLength(space, id, offset), space.Length - offset), next));
            offset = next;
        }
    }

    private static int StandardLength(ReadOnlySpan<byte> space, int id, int offset)
    {
        byte At(ReadOnlySpan<byte> bytes, int plus) => offset + plus < StandardSize ? bytes[offset + plus] : (byte)0;
        return id switch
        {
            CapabilityId.PowerManagement => 8,
            CapabilityId.AcceleratedGraphicsPort => 12,
            CapabilityId.VitalProductData => 8,
            CapabilityId.Msi => ((At(space, 2) & 0x80) != 0 ? 14 : 10) + ((At(space, 3) & 1) != 0 ? 10 : 0),
            CapabilityId.PciX => (At(space, 3) & 0x30) != 0 ? 24 : 8,
            CapabilityId.HyperTransport => (At(space, 3) & 0xe0) != 0 ? 24 : 28,
            CapabilityId.Vendor => At(space, 2),
            CapabilityId.PciExpress => ((At(space, 2) & 0xf) == 1, At(space, 2) >> 4 == IntegratedEndpoint) switch
            {
                (true, true) => 0x0c,
                (true, false) => 0x14,
                (false, true) => 0x2c,
                (false, false) => 0x3c,
            },
            CapabilityId.MsiX => 12,
            CapabilityId.Sata => (At(space, 4) & 0xf) == 0xf ? 16 : 8,
            CapabilityId.AdvancedFeatures => 6,
            _ => 0,
        };
    }

    private static int ExtendedLength(ReadOnlySpan<byte> space, int id, int offset)
    {
        uint first = Dword(space, offset + 4);
        return id switch
        {
            ExtendedCapabilityId.AdvancedErrorReporting => 0x2c,
            ExtendedCapabilityId.VirtualChannel or ExtendedCapabilityId.MultiFunctionVirtualChannel or ExtendedCapabilityId.VirtualChannel9
                => VirtualChannelLength(first, offset + 12 <= space.Length ? Dword(space, offset + 8) : 0),
            ExtendedCapabilityId.SerialNumber => 12,
            ExtendedCapabilityId.PowerBudgeting => 16,
            ExtendedCapabilityId.Vendor or ExtendedCapabilityId.DesignatedVendor => (int)(first >> 20),
            ExtendedCapabilityId.AccessControl => AccessControlLength(first),
            ExtendedCapabilityId.AlternativeRouting => 8,
            ExtendedCapabilityId.AddressTranslation => 8,
            ExtendedCapabilityId.SingleRootIov => 64,
            ExtendedCapabilityId.Multicast => 44,
            ExtendedCapabilityId.PageRequest => 16,
            ExtendedCapabilityId.ResizableBar => 4 + (8 * (offset + 12 <= space.Length ? (int)(Dword(space, offset + 8) >> 5) & 7 : 0)),
            ExtendedCapabilityId.DynamicPower => 16 + (int)(first & 0x1f) + 1,
            ExtendedCapabilityId.TphRequester => (first & 0x600) == 0x200 ? 12 + (2 * ((int)(first >> 16) & 0x7ff)) + 2 : 12,
            ExtendedCapabilityId.LatencyTolerance => 8,
            _ => 0,
        };
    }

    // With egress control a vector of as many bits follows; 0 stands for 256.
    private static int AccessControlLength(uint first)
    {
        int bits = (int)(first >> 8) & 0xff;
        return (first & 0x20) == 0 ? 8 : 8 + (((bits == 0 ? 256 : bits) + 31) / 32 * 4);
    }

    // One extended virtual channel has 12 bytes; the arbitration table (4 bits a phase) begins at a multiple of 16.
    private static int VirtualChannelLength(uint port1, uint port2)
    {
        int length = 0x10 + ((1 + (int)(port1 & 7)) * 12);
        int phases = (port2 & 8) != 0 ? 128 : (port2 & 4) != 0 ? 64 : (port2 & 2) != 0 ? 32 : 0;
        return phases == 0 ? length : ((length + 15) & ~15) + (phases / 2);
    }

    private static uint Dword(ReadOnlySpan<byte> space, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(space[offset..]);
}
