using Riser.Actors.Devices;
using Riser.Host.Exercise;

namespace Riser.Host.Reporting;

/// <summary>All devices of a run at one moment.</summary>
/// <param name="Elapsed">Since the run began.</param>
/// <param name="Devices">In order of id.</param>
internal sealed record Snapshot(TimeSpan Elapsed, IReadOnlyList<DeviceSnapshot> Devices);

/// <summary>One device at one moment.</summary>
/// <param name="Device">What its actor says.</param>
/// <param name="Tally">What its exerciser says.</param>
internal sealed record DeviceSnapshot(DeviceProtocol.Description Device, ExerciseProtocol.Tally Tally);

/// <summary>How a run ended.</summary>
/// <param name="Report">What is written as JSON.</param>
/// <param name="Problems">Why the exit status is not 0; none: it is.</param>
internal sealed record RunResult(Report Report, IReadOnlyList<string> Problems)
{
    public static RunResult Of(Snapshot end) => new(Report.Of(end), [.. end.Devices.SelectMany(Judge)]);

    private static IEnumerable<string> Judge(DeviceSnapshot snapshot)
    {
        var (device, tally) = snapshot;
        if (!tally.HasBegun)
            yield return $"{tally.Device} was not ready before the run was ended.{Because(device.LastFault)}";
        else if (device.State is not DevicePhase.Ready)
            yield return $"{tally.Device} ended as {Texts.Of(device.State)}.{Because(device.LastFault)}";
        if (tally.Delivered != tally.Triggered)
            yield return $"{tally.Device}: {tally.Triggered} interrupts were triggered and {tally.Delivered} delivered.";
        if (tally.Dma.Corrupt > 0)
            yield return $"{tally.Device}: {tally.Dma.Corrupt} of {tally.Dma.Moved} bytes that it moved are corrupt.";
        if (tally.Problem is { } problem)
            yield return $"{tally.Device}: {problem}";
    }

    private static string Because(string? fault) => fault is null ? string.Empty : $" Its last fault: {fault.TrimEnd('.')}.";
}
