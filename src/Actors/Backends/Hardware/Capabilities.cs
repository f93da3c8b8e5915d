using System.Globalization;

namespace Riser.Actors.Backends.Hardware;

/// <summary>What this process may do besides what its user may (capabilities(7)).</summary>
internal static class Capabilities
{
    /// <summary>Whether the capability of this number is in effect.</summary>
    public static bool Has(int number) => (Parse(File.ReadAllText("/proc/self/status")) & (1UL << number)) != 0;

    /// <summary>CapEff in the text of /proc/self/status.</summary>
    public static ulong Parse(string status)
    {
        foreach (var line in status.AsSpan().EnumerateLines())
        {
            if (line.StartsWith("CapEff:") && ulong.TryParse(line[7..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong mask))
                return mask;
        }

        return 0;
    }
}
