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

    /// <summary>The compiler's own name for itself.</summary>
    public static string Compiler { get; private set; } = "";

    /// <exception cref="RefusalException">There is no gcc, or it refuses the floor.</exception>
    public static void Compile()
    {
        Compiler = Run("--version").Split('\n')[0];
        string library = Path.Combine(s_folder, $"lib{Library}.so");
        Run(["-std=gnu17", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-pthread", "-o", library, .. Directory.GetFiles(s_folder, "*.c")]);
        nint handle = NativeLibrary.Load(library);
        NativeLibrary.SetDllImportResolver(Assembly.GetExecutingAssembly(), (name, _, _) => name == Library ? handle : 0);
    }

    [LibraryImport(Library)]
    public static partial int floor_produce(MeterBlock* meter, int* fds, int count, long rounds, long gapNs, long* elapsed, long* cpuNs);

    [LibraryImport(Library)]
    public static partial long floor_process_cpu();

    [LibraryImport(Library)]
    public static partial int floor_bind(int tid, int first, int count);

    [LibraryImport(Library)]
    public static partial nint floor_loop_start(MeterBlock* meter, int* fds, int count, int edge);

    [LibraryImport(Library)]
    public static partial long floor_loop_cpu(nint loop);

    [LibraryImport(Library)]
    public static partial void floor_loop_stop(nint loop);

    [LibraryImport(Library)]
    public static partial ulong floor_read32(long times, uint offset);

    [LibraryImport(Library)]
    public static partial ulong floor_read64(long times, uint offset);

    [LibraryImport(Library)]
    public static partial void floor_write32(long times, uint offset);

    [LibraryImport(Library)]
    public static partial void floor_write64(long times, uint offset);

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
