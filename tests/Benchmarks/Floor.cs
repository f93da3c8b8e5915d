using System.ComponentModel;
using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Riser.Benchmarks;

/// <summary>The code in C that everything is measured against: compiled anew by each run, called in this process.</summary>
internal static unsafe partial class Floor
{
    private const string Library = "riser-floor";

    private static readonly string s_folder = Path.Combine(AppContext.BaseDirectory, "floor");

    private static readonly string s_library = Path.Combine(s_folder, $"lib{Library}.so");

    /// <summary>The compiler's own name for itself.</summary>
    public static string Compiler { get; private set; } = "gcc of the machine around this one";

    /// <summary>The program that compares kernel drivers; <see cref="CompileMeasure"/> makes it.</summary>
    public static string Measure { get; } = Path.Combine(s_folder, "measure");

    /// <exception cref="RefusalException">There is no gcc, or it refuses the floor.</exception>
    public static void Compile()
    {
        Compiler = Run("--version").Split('\n')[0];
        Run(["-std=gnu17", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-pthread", "-o", s_library, .. Directory.GetFiles(s_folder, "*.c")]);
        Load();
    }

    /// <exception cref="RefusalException">gcc refuses it.</exception>
    public static void CompileMeasure() =>
        Run("-std=gnu17", "-O2", "-Wall", "-Werror", "-o", Measure, Path.Combine(s_folder, "program", "measure.c"), Path.Combine(s_folder, "vfio.c"));

    /// <summary>Takes what was compiled before: in the lab by the machine around it, in a part by who started it.</summary>
    public static void Load()
    {
        nint handle = NativeLibrary.Load(s_library);
        NativeLibrary.SetDllImportResolver(Assembly.GetExecutingAssembly(), (name, _, _) => name == Library ? handle : 0);
    }

    [LibraryImport(Library)]
    public static partial int floor_produce(MeterBlock* meter, int* fds, int count, long rounds, long gapNs, long patienceNs, long* elapsed, long* cpuNs);

    [LibraryImport(Library)]
    public static partial int floor_stream(MeterBlock* meter, int* fds, int count, long events, long paceNs, long patienceNs, long* elapsed, long* cpuNs);

    [LibraryImport(Library)]
    public static partial long floor_process_cpu();

    [LibraryImport(Library)]
    public static partial int floor_bind(int tid, int first, int count);

    [LibraryImport(Library)]
    public static partial int floor_batch(int tid, int batch);

    [LibraryImport(Library)]
    public static partial nint floor_loop_start(MeterBlock* meter, int* fds, int count, int edge, int timeout);

    [LibraryImport(Library)]
    public static partial long floor_loop_cpu(nint loop);

    [LibraryImport(Library)]
    public static partial void floor_loop_stop(nint loop);

    [LibraryImport(Library)]
    public static partial long floor_look_epoll(int epoll, long times);

    [LibraryImport(Library)]
    public static partial long floor_look_read(int eventFd, long times);

    [LibraryImport(Library)]
    public static partial long floor_look_poll(int epoll, long times);

    [LibraryImport(Library)]
    public static partial ulong floor_read32(long times, uint offset);

    [LibraryImport(Library)]
    public static partial ulong floor_read64(long times, uint offset);

    [LibraryImport(Library)]
    public static partial void floor_write32(long times, uint offset);

    [LibraryImport(Library)]
    public static partial void floor_write64(long times, uint offset);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint floor_vfio_open(string address, out int error);

    [LibraryImport(Library)]
    public static partial void floor_vfio_close(nint vfio);

    [LibraryImport(Library)]
    public static partial int floor_vfio_pairs(nint vfio, nint memory, long size, int pieces, long pairs, ulong iova, long* elapsed);

    [LibraryImport(Library)]
    public static partial int floor_vfio_watched_pairs(nint vfio, nint memory, long size, int pieces, long pairs, ulong iova, long* elapsed);

    [LibraryImport(Library)]
    public static partial int floor_vfio_container(nint vfio);

    [LibraryImport(Library)]
    public static partial int floor_memory(int kind, long size, long times, long* elapsed);

    private static string Run(params string[] arguments)
    {
        try
        {
            using var gcc = Process.Start(new ProcessStartInfo("gcc", arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
            var errors = gcc.StandardError.ReadToEndAsync();
            string output = gcc.StandardOutput.ReadToEnd();
            gcc.WaitForExit();
            return gcc.ExitCode == 0 ? output : throw new RefusalException($"gcc refused the floor:{Environment.NewLine}{errors.Result}");
        }
        catch (Win32Exception missing)
        {
            throw new RefusalException($"The floor needs gcc, which does not start: {missing.Message}. Install gcc and the C library's headers.");
        }
    }
}
