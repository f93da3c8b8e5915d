namespace Riser.Actors.ConfigSpace;

/// <summary>What more happens when a field is written than that its bits are kept.</summary>
internal enum RuleEffect : byte
{
    None,
    Command,
    Bar,
    Rom,
    PowerState,
    Vpd,
    DeviceControl,
    FunctionReset,
    MsiControl,
}

/// <summary>When a rule applies.</summary>
internal enum RuleCondition : byte
{
    Always,

    /// <summary>The function is an SR-IOV virtual function.</summary>
    VirtualFunction,

    /// <summary>MSI with 32-bit addresses.</summary>
    Msi32,

    /// <summary>MSI with 64-bit addresses.</summary>
    Msi64,
}

/// <summary>One row: which bits of a field the user sees and writes in a shadow, and which of its writes count.</summary>
/// <param name="Number">The rule of the table that the row belongs to; rows of one number are one rule.</param>
/// <param name="Scope">Header, or a kind of capability.</param>
/// <param name="Capability">Id; 0 in the header; -1 for every capability of the scope.</param>
/// <param name="Offset">Bytes from the beginning of the header or capability.</param>
/// <param name="Width">1, 2 or 4 bytes; 0: every byte to the end of the capability.</param>
/// <param name="Virtual">Bits that come from the shadow and never reach the device.</param>
/// <param name="Writable">Bits that a write changes, in the shadow or in the device; writes of others are dropped.</param>
/// <param name="Effect">What else a write does.</param>
/// <param name="Condition">When the row applies.</param>
internal sealed record AccessRule(
    int Number,
    ConfigScope Scope,
    int Capability,
    int Offset,
    int Width,
    uint Virtual,
    uint Writable,
    RuleEffect Effect = RuleEffect.None,
    RuleCondition Condition = RuleCondition.Always)
{
    /// <summary>The row as one line of text, the same from the kernel module's table: <c>std 05 +02 b virtual=ff writable=ff</c>.</summary>
    public override string ToString()
    {
        string scope = Scope switch { ConfigScope.Header => "hdr", ConfigScope.Standard => "std", _ => "ext" };
        string capability = Capability < 0 ? "*" : $"{Capability:x2}";
        string width = Width switch { 1 => "b", 2 => "w", 4 => "d", _ => "rest" };
        string condition = Condition == RuleCondition.Always ? "" : $" if={Condition.ToString().ToLowerInvariant()}";
        return $"{scope} {capability} +{Offset:x2} {width} virtual={Virtual:x} writable={Writable:x}{condition}";
    }
}

/// <summary>
/// What a user may see and change of configuration space: one table, for the simulated device and the vfio-user server.
/// The kernel module has the same one in C. Bytes that no row names: in the header and in capabilities they are read
/// through and writes are dropped (rule 11), and so it is with a hidden capability, up to the next one (rules 13 and 24); in the
/// gaps between capabilities both pass through (rule 25).
/// </summary>
internal static class AccessRules
{
    private const uint B = 0xff, W = 0xffff, D = 0xffffffff;
    private const int Any = -1;

    // Uncorrectable errors: undefined (0), DLP (4) and surprise down (5), poisoned (12) to TLP prefix (25). PCI Express 7.8.4.2.
    private const uint Uncorrectable = 0x03fff031;

    // Correctable errors: receiver (0), bad TLP to replay rollover (6-8), replay timer to log overflow (12-15). 7.8.4.5.
    private const uint Correctable = 0xf1c1;

    // Generation (6) and check (8) of ECRC. 7.8.4.7.
    private const uint Ecrc = 0x140;

    /// <summary>The table. A later row wins over an earlier one for the same byte.</summary>
    public static IReadOnlyList<AccessRule> Table { get; } =
    [
        Header(1, 0x00, 2, W, 0),
        Header(1, 0x02, 2, W, 0),
        Header(2, 0x04, 2, 0x0400, W, RuleEffect.Command),
        Header(3, 0x04, 2, 0x0402, W, RuleEffect.Command, RuleCondition.VirtualFunction),
        Header(4, 0x06, 2, 0x0010, 0),
        Header(5, 0x0c, 1, 0, B),
        Header(5, 0x0d, 1, 0, B),
        Header(5, 0x0f, 1, 0, B),
        Header(6, 0x10, 4, D, D, RuleEffect.Bar),
        Header(6, 0x14, 4, D, D, RuleEffect.Bar),
        Header(6, 0x18, 4, D, D, RuleEffect.Bar),
        Header(6, 0x1c, 4, D, D, RuleEffect.Bar),
        Header(6, 0x20, 4, D, D, RuleEffect.Bar),
        Header(6, 0x24, 4, D, D, RuleEffect.Bar),
        Header(7, 0x30, 4, D, D, RuleEffect.Rom),
        Header(8, 0x34, 1, B, 0),
        Header(9, 0x3c, 1, B, B),
        Header(10, 0x3d, 1, B, 0),
        Standard(12, Any, 0x01, 1, B, 0),
        Standard(14, CapabilityId.PowerManagement, 0x02, 2, 0xf800, 0),
        Standard(15, CapabilityId.PowerManagement, 0x04, 4, 0x8100, 0xffff7ffc, RuleEffect.PowerState),
        Standard(16, CapabilityId.VitalProductData, 0x02, 2, W, W, RuleEffect.Vpd),
        Standard(16, CapabilityId.VitalProductData, 0x04, 4, D, D),
        Standard(17, CapabilityId.PciX, 0x02, 2, 0, W),
        Standard(17, CapabilityId.PciX, 0x08, 4, 0, D),
        Standard(18, CapabilityId.PciExpress, 0x08, 2, 0xf0e0, 0xfdff, RuleEffect.DeviceControl),
        Standard(19, CapabilityId.PciExpress, 0x28, 2, 0, 0xffdf),
        Standard(20, CapabilityId.AdvancedFeatures, 0x04, 1, 0x01, 0x01, RuleEffect.FunctionReset),
        Standard(21, CapabilityId.Msi, 0x02, 1, B, 0x71, RuleEffect.MsiControl),
        Standard(21, CapabilityId.Msi, 0x04, 4, D, D),
        Standard(21, CapabilityId.Msi, 0x08, 2, W, W, RuleEffect.None, RuleCondition.Msi32),
        Standard(21, CapabilityId.Msi, 0x0c, 4, 0, D, RuleEffect.None, RuleCondition.Msi32),
        Standard(21, CapabilityId.Msi, 0x10, 4, 0, D, RuleEffect.None, RuleCondition.Msi32),
        Standard(21, CapabilityId.Msi, 0x08, 4, D, D, RuleEffect.None, RuleCondition.Msi64),
        Standard(21, CapabilityId.Msi, 0x0c, 2, W, W, RuleEffect.None, RuleCondition.Msi64),
        Standard(21, CapabilityId.Msi, 0x10, 4, 0, D, RuleEffect.None, RuleCondition.Msi64),
        Standard(21, CapabilityId.Msi, 0x14, 4, 0, D, RuleEffect.None, RuleCondition.Msi64),
        Standard(22, CapabilityId.MsiX, 0x02, 0, 0, 0),
        Standard(23, CapabilityId.Vendor, 0x02, 0, 0, B),
        Extended(24, Any, 0x00, 4, D, 0),
        Extended(23, ExtendedCapabilityId.Vendor, 0x04, 0, 0, B),
        Extended(23, ExtendedCapabilityId.DesignatedVendor, 0x04, 0, 0, B),
        Extended(24, ExtendedCapabilityId.AdvancedErrorReporting, 0x04, 4, 0, Uncorrectable),
        Extended(24, ExtendedCapabilityId.AdvancedErrorReporting, 0x08, 4, 0, Uncorrectable),
        Extended(24, ExtendedCapabilityId.AdvancedErrorReporting, 0x0c, 4, 0, Uncorrectable),
        Extended(24, ExtendedCapabilityId.AdvancedErrorReporting, 0x10, 4, 0, Correctable),
        Extended(24, ExtendedCapabilityId.AdvancedErrorReporting, 0x14, 4, 0, Correctable),
        Extended(24, ExtendedCapabilityId.AdvancedErrorReporting, 0x18, 4, 0, Ecrc),
        Extended(24, ExtendedCapabilityId.PowerBudgeting, 0x04, 1, 0, B),
    ];

    /// <summary>The table as text, a line a row, in the table's order.</summary>
    public static IEnumerable<string> Lines => Table.Select(rule => rule.ToString());

    private static AccessRule Header(int number, int offset, int width, uint seen, uint writable, RuleEffect effect = RuleEffect.None, RuleCondition condition = RuleCondition.Always) =>
        new(number, ConfigScope.Header, 0, offset, width, seen, writable, effect, condition);

    private static AccessRule Standard(int number, int capability, int offset, int width, uint seen, uint writable, RuleEffect effect = RuleEffect.None, RuleCondition condition = RuleCondition.Always) =>
        new(number, ConfigScope.Standard, capability, offset, width, seen, writable, effect, condition);

    private static AccessRule Extended(int number, int capability, int offset, int width, uint seen, uint writable) =>
        new(number, ConfigScope.Extended, capability, offset, width, seen, writable);
}
