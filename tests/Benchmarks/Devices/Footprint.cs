using System.Globalization;

namespace Riser.Benchmarks.Devices;

/// <summary>Memory of this process, bytes.</summary>
/// <param name="Managed">Live on the managed heap.</param>
/// <param name="Resident">Resident pages; the heap's unused ones are in it.</param>
internal readonly record struct Footprint(long Managed, long Resident)
{
    public static Footprint operator -(Footprint after, Footprint before) => new(after.Managed - before.Managed, after.Resident - before.Resident);

    /// <summary>After a full collection, finalizers included: what was there before may still be going.</summary>
    public static Footprint Now()
    {
        GC.GetTotalMemory(forceFullCollection: true);
        GC.WaitForPendingFinalizers();
        return new(GC.GetTotalMemory(forceFullCollection: true), ReadResident());
    }

    public static int OpenFiles() => Directory.GetFiles("/proc/self/fd").Length;

    /// <summary>How many files this process may have open.</summary>
    public static int FileLimit()
    {
        string line = File.ReadLines("/proc/self/limits").First(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        return int.TryParse(line["Max open files".Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0], NumberStyles.None, CultureInfo.InvariantCulture, out int limit) ? limit : int.MaxValue;
    }

    private static long ReadResident()
    {
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }
}
