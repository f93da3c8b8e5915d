using System.Globalization;

namespace Riser.Actors.Backends.Hardware;

/// <summary>CPUs as the kernel lists them (Documentation/admin-guide/cputopology.rst): "0-3,8".</summary>
internal static class CpuList
{
    /// <summary>Those that are not in the list, in the order in which they came.</summary>
    public static IReadOnlyList<int> Missing(IReadOnlyList<int> cpus, string list)
    {
        List<(int First, int Last)> ranges = [];
        foreach (string part in list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            int[] ends = [.. part.Split('-').Select(n => int.Parse(n, CultureInfo.InvariantCulture))];
            ranges.Add((ends[0], ends[^1]));
        }

        return [.. cpus.Where(c => !ranges.Exists(r => r.First <= c && c <= r.Last))];
    }

    /// <summary>CPUs that this machine cannot have.</summary>
    public static IReadOnlyList<int> Impossible(IReadOnlyList<int> cpus) => Missing(cpus, File.ReadAllText("/sys/devices/system/cpu/possible"));
}
