using System.Text.Json.Serialization;
using Riser.Actors.Backends;

namespace Riser.Host.Reporting;

/// <summary>The report of a run; a stable format, described in the README.</summary>
/// <param name="ElapsedSeconds">From when all devices run to the end of the load.</param>
/// <param name="Devices">In order of id.</param>
internal sealed record Report(double ElapsedSeconds, IReadOnlyList<DeviceReport> Devices)
{
    public static Report Of(Snapshot end) => new(Math.Round(end.Elapsed.TotalSeconds, 3), [.. end.Devices.Select(DeviceReport.Of)]);
}

/// <summary>One device.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Backend">How it was reached.</param>
/// <param name="State">closed, opening, ready, ending, backing-off, absent or quarantined.</param>
/// <param name="Epoch">The number of its last session.</param>
/// <param name="Restarts">Sessions that had to be opened again.</param>
/// <param name="Vectors">Vectors that were open.</param>
/// <param name="Interrupts">Interrupts, over all sessions.</param>
/// <param name="Dma">Direct memory access, over all sessions.</param>
/// <param name="LastFault">Why the last session was lost; null when none was.</param>
internal sealed record DeviceReport(
    string Id,
    string Backend,
    string State,
    long Epoch,
    int Restarts,
    int Vectors,
    InterruptReport Interrupts,
    DmaReport Dma,
    string? LastFault)
{
    public static DeviceReport Of(DeviceSnapshot snapshot)
    {
        var (device, tally) = snapshot;
        return new(
            tally.Device.ToString(),
            tally.Device.Backend,
            Texts.Of(device.State),
            device.Epoch,
            device.Restarts,
            tally.Vectors,
            new(tally.Triggered, tally.Delivered, tally.Messages),
            new(device.Counts.DmaRegions, device.Counts.LockedBytes, tally.Dma.Moved, tally.Dma.Verified, tally.Dma.Corrupt),
            device.LastFault);
    }
}

/// <summary>Interrupts of a device.</summary>
/// <param name="Triggered">How many there were.</param>
/// <param name="Delivered">How many were counted.</param>
/// <param name="Messages">How many messages told of them.</param>
internal sealed record InterruptReport(long Triggered, long Delivered, long Messages);

/// <summary>DMA of a device; sizes in bytes.</summary>
/// <param name="Regions">DMA regions.</param>
/// <param name="LockedBytes">Memory mapped for the device.</param>
/// <param name="MovedBytes">What the device moved.</param>
/// <param name="VerifiedBytes">What was compared and right.</param>
/// <param name="CorruptBytes">What was compared and wrong.</param>
internal sealed record DmaReport(int Regions, ulong LockedBytes, long MovedBytes, long VerifiedBytes, long CorruptBytes);

/// <summary>The report as JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(Report))]
internal sealed partial class ReportJson : JsonSerializerContext;
