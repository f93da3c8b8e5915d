using System.Globalization;
using Riser.Actors.Devices;

namespace Riser.Host.Reporting;

/// <summary>Numbers and states as people and reports read them.</summary>
internal static class Texts
{
    private static readonly string[] s_units = ["B", "KiB", "MiB", "GiB", "TiB"];

    public static string Of(DevicePhase phase) => phase switch
    {
        DevicePhase.Closed => "closed",
        DevicePhase.Opening => "opening",
        DevicePhase.Ready => "ready",
        DevicePhase.Ending => "ending",
        DevicePhase.BackingOff => "backing-off",
        DevicePhase.Absent => "absent",
        DevicePhase.Quarantined => "quarantined",
        _ => throw new ArgumentOutOfRangeException(nameof(phase), phase, message: null),
    };

    public static string Count(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    public static string Bytes(double bytes)
    {
        int unit = 0;
        for (; bytes >= 1024 && unit < s_units.Length - 1; unit++)
            bytes /= 1024;
        return string.Create(CultureInfo.InvariantCulture, $"{bytes:0.#} {s_units[unit]}");
    }

    public static string Time(TimeSpan time) => time.ToString(time.TotalHours >= 1 ? @"h\:mm\:ss" : @"mm\:ss", CultureInfo.InvariantCulture);
}
