using System.Diagnostics;
using System.Globalization;

namespace Riser.Benchmarks.Lab;

/// <summary>
/// The kernel module's side alone: uio_pci_user against vfio-pci with type1, from the same C program, on the same device with the
/// same memory, in turn.
/// </summary>
internal sealed class ModuleBenchmark : IBenchmark
{
    private const int Scale = 10;
    private const double InterruptTarget = 1.05;
    private const double MapTarget = 1.1;
    private const string Vfio = "vfio";
    private const string Uio = "uio";

    public string Name => "module";

    public string What => "uio_pci_user against vfio-pci with type1, both from C: an interrupt to epoll, map and unmap, munmap of mapped memory";

    public async Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        await ExecuteAsync("insmod", LabMachine.Module);
        string output = await ExecuteAsync(
            Floor.Measure,
            LabMachine.Device("EDU"),
            scope.Turns.ToString(CultureInfo.InvariantCulture),
            (scope.IsQuick ? Scale / 5 : Scale).ToString(CultureInfo.InvariantCulture));
        var figures = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')).ToDictionary(
            part => (Backend: part[0], What: part[1]),
            part => new Figures(Microseconds(part[2]), Microseconds(part[3])));
        Row Against(string variant, string regime, string what, double target)
        {
            var row = new Row(Name, variant, regime, "vfio-pci") { Unit = "µs", Measured = figures[(Uio, what)], Base = figures[(Vfio, what)] };
            return row with { Targets = [Target.AtMost("p50", target, row.RatioP50, " × vfio-pci")] };
        }

        Row Munmap(string size, string which, string name) => new(Name, $"munmap, {size}", which, Floor: null) { Unit = "µs", Measured = figures[(Uio, name)] };

        return
        [
            Against("interrupt to epoll", "MSI", "interrupt", InterruptTarget),
            Against("map + unmap, 4 KiB", "4 KiB pages", "map-4KiB", MapTarget),
            Against("map + unmap, 64 KiB", "4 KiB pages", "map-64KiB", MapTarget),
            Against("map + unmap, 2 MiB", "4 KiB pages", "map-2MiB", MapTarget),
            Against("map + unmap, 2 MiB", "huge pages", "map-2MiB-huge", MapTarget),
            Against("map + unmap, 1 GiB", "huge pages", "map-1GiB-huge", MapTarget),
            Munmap("4 KiB", "of memory that no device can reach", "munmap-4KiB-alone"),
            Munmap("4 KiB", "of mapped memory: an invalidation", "munmap-4KiB-mapped"),
            Munmap("2 MiB", "of memory that no device can reach", "munmap-2MiB-alone"),
            Munmap("2 MiB", "of mapped memory: an invalidation", "munmap-2MiB-mapped"),
        ];
    }

    private static double Microseconds(string nanoseconds) => long.Parse(nanoseconds, CultureInfo.InvariantCulture) / 1e3;

    private static async Task<string> ExecuteAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output : throw new RefusalException($"{program} failed: {await errors}");
    }
}
