using Riser.Actors.Backends.Hardware;

namespace Riser.Host.Broker;

/// <summary>What somebody may be allowed to do with a function.</summary>
[Flags]
internal enum Act
{
    None = 0,
    Open = 1,
    TakeBack = 2,
    Bind = 4,
}

/// <summary>What is done about a holder that does not close what is wanted back.</summary>
internal enum Stubborn
{
    Report,
    Kill,
}

/// <summary>One rule of the policy, its names resolved to numbers.</summary>
internal sealed record PolicyRule(
    string Name,
    IReadOnlySet<uint> Users,
    IReadOnlySet<uint> Groups,
    IReadOnlyList<DevicePattern> Devices,
    Act May,
    TimeSpan Lease,
    TimeSpan TakeBackWithin,
    Stubborn Then)
{
    public bool IsFor(PeerCredentials peer) => Users.Contains(peer.User) || Groups.Overlaps(peer.Groups);

    public bool Allows(Act act, string backend, PciFunction function) => May.HasFlag(act) && Devices.Any(d => d.Matches(backend, function));
}

/// <summary>Which functions a rule speaks of.</summary>
/// <param name="Backend">Null: any.</param>
/// <param name="Address">Null: any.</param>
/// <param name="Id">Vendor and device; null: any.</param>
internal sealed record DevicePattern(string? Backend, string? Address, (ushort Vendor, ushort Device)? Id)
{
    /// <summary>Reads <c>[backend:]</c> and then an address, <c>vendor:device</c>, or <c>*</c>; null when it is none of them.</summary>
    public static DevicePattern? Parse(string text)
    {
        string? backend = null;
        foreach (string known in Target.Backends)
        {
            if (text.StartsWith($"{known}:", StringComparison.Ordinal))
                (backend, text) = (known, text[(known.Length + 1)..]);
        }
        if (text == "*")
            return new(backend, Address: null, Id: null);
        if (PciSysfs.IsAddress(text))
            return new(backend, text, Id: null);
        string[] halves = text.Split(':');
        return halves is [{ Length: 4 }, { Length: 4 }] && Hex(halves[0]) is { } vendor && Hex(halves[1]) is { } device
            ? new(backend, Address: null, (vendor, device))
            : null;
    }

    public bool Matches(string backend, PciFunction function) =>
        (Backend is null || Backend == backend)
        && (Address is null || Address == function.Address)
        && (Id is not { } id || id == (function.VendorId, function.ProductId));

    private static ushort? Hex(string text) =>
        ushort.TryParse(text, System.Globalization.NumberStyles.AllowHexSpecifier, System.Globalization.CultureInfo.InvariantCulture, out ushort number) ? number : null;
}
