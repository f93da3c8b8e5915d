using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;
using Riser.Host.Broker;

namespace Riser.Host.Specs.Broker;

/// <summary>People, rules and functions that the broker's specs speak of.</summary>
internal static class BrokerExample
{
    public static readonly PeerCredentials Alice = new(101, 1000, new HashSet<uint> { 1000, 50 });

    public static readonly PeerCredentials Bob = new(102, 1001, new HashSet<uint> { 1001 });

    public static readonly PeerCredentials Root = new(1, 0, new HashSet<uint> { 0 });

    public static PciFunction Function(string address, string? driver = "vfio-pci", string? group = "7", uint classCode = 0x00ff00, ushort device = 0x11e8) =>
        new(address, 0x1234, device, classCode, driver, group, 1);

    public static Target Vfio(params PciFunction[] functions) => new(DeviceId.Parse($"vfio:{functions[0].Address}"), $"/dev/vfio/{functions[0].Group}", functions);

    public static Target Uio(string address) => new(DeviceId.Parse($"uio:{address}"), $"/dev/uio_pci_user/{address}", [Function(address, Targets.UioDriver)]);

    public static PolicyRule Rule(string name = "rule", Act may = Act.Open, Stubborn then = Stubborn.Report, uint[]? users = null, uint[]? groups = null, params string[] devices) => new(
        name,
        new HashSet<uint>(users ?? []),
        new HashSet<uint>(groups ?? []),
        [.. devices.Select(d => DevicePattern.Parse(d)!)],
        may,
        TimeSpan.FromSeconds(30),
        TimeSpan.FromSeconds(5),
        then);
}
