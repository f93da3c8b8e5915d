using System.Globalization;
using System.Runtime.InteropServices;

namespace Riser.Actors.Specs.Reactor;

/// <summary>What the kernel counts for one thread of this process.</summary>
internal sealed partial class NativeThread
{
    private readonly string _folder;

    /// <summary>The calling thread.</summary>
    public NativeThread()
        : this(gettid())
    {
    }

    private NativeThread(int id) => (Id, _folder) = (id, $"/proc/self/task/{id}");

    /// <summary>The kernel's number for it.</summary>
    public int Id { get; }

    /// <summary>How often it gave up its processor, of its own will or not.</summary>
    public long Switches => Number("status", "voluntary_ctxt_switches:") + Number("status", "nonvoluntary_ctxt_switches:");

    /// <summary>How often it gave up its processor because it had to wait.</summary>
    public long Waits => Number("status", "voluntary_ctxt_switches:");

    /// <summary>CPU time, ns.</summary>
    public long CpuNs => long.Parse(File.ReadAllText($"{_folder}/schedstat").Split(' ')[0], CultureInfo.InvariantCulture);

    /// <summary>System calls that read.</summary>
    public long Reads => Number("io", "syscr:");

    /// <summary>System calls that write.</summary>
    public long Writes => Number("io", "syscw:");

    /// <summary>Whether it waits for something.</summary>
    public bool IsAsleep => File.ReadLines($"{_folder}/status").First(l => l.StartsWith("State:", StringComparison.Ordinal)).Contains('S');

    /// <summary>The one thread of this name.</summary>
    public static NativeThread Named(string name) => new(int.Parse(Path.GetFileName(Tasks(name).Single()), CultureInfo.InvariantCulture));

    /// <summary>How many threads have this name.</summary>
    public static int Count(string name) => Tasks(name).Count();

    private static IEnumerable<string> Tasks(string name) => Directory.GetDirectories("/proc/self/task").Where(task =>
    {
        try
        {
            return File.ReadAllText($"{task}/comm").Trim() == name;
        }
        catch (IOException)
        {
            return false; // it has just ended
        }
    });

    private long Number(string file, string key) => long.Parse(
        File.ReadLines($"{_folder}/{file}").First(l => l.StartsWith(key, StringComparison.Ordinal))[key.Length..],
        CultureInfo.InvariantCulture);

    [LibraryImport("libc")]
    private static partial int gettid();
}
