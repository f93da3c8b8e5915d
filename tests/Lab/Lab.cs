using System.Diagnostics;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Uio;
using Riser.Actors.Backends.Vfio;
using Riser.Actors.Interop;

[assembly: CollectionBehavior(DisableTestParallelization = true)] // the devices are shared
[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

namespace Riser.Lab.Specs;

/// <summary>The virtual machine that these specs run in; see tests/Lab/README.md.</summary>
internal static class Lab
{
    public static string? SkipReason => Environment.GetEnvironmentVariable("RISER_LAB") == "1" && Environment.GetEnvironmentVariable("LAB_IOMMU") == "1"
        ? null
        : "Needs the lab's virtual machine with its IOMMU: tests/Lab/run.";

    /// <summary>Of what is here for the machine without an IOMMU alone, which `specs` boots for it.</summary>
    public static string? BareSkipReason => Environment.GetEnvironmentVariable("RISER_LAB") == "1" && Environment.GetEnvironmentVariable("LAB_IOMMU") == "0"
        ? null
        : "Needs the lab's virtual machine without an IOMMU: tests/Lab/run --no-iommu.";

    public static string Address(string name, bool bare = false)
    {
        string? reason = bare ? BareSkipReason : SkipReason;
        Skip.If(reason is not null, reason);
        return Environment.GetEnvironmentVariable($"LAB_{name}") ?? throw new SkipException($"This lab has no {name}.");
    }

    public static DeviceId Device(string name) => DeviceId.Parse($"vfio:{Address(name)}");

    public static VfioBackend Backend() => new(Akka.Configuration.Config.Empty);

    /// <summary>The same device, for a spec that binds it to uio_pci_user (<see cref="UioDevice"/>).</summary>
    public static DeviceId UioDevice(string name, bool bare = false) => DeviceId.Parse($"uio:{Address(name, bare)}");

    public static UioBackend UioBackend() => new(Akka.Configuration.Config.Empty);

    /// <summary>One line of what was measured, for the results outside.</summary>
    public static void Tell(FormattableString figure) =>
        File.AppendAllText(Path.Combine(Environment.GetEnvironmentVariable("LAB_OUT") ?? Path.GetTempPath(), "figures"), FormattableString.Invariant(figure) + "\n");

    /// <summary>The backend that a device id names.</summary>
    public static IPciBackend BackendOf(DeviceId device) => device.Backend == "uio" ? UioBackend() : Backend();

    /// <summary>Bits of COMMAND as the hardware has them, not as VFIO shows them.</summary>
    public static int Command(string address)
    {
        using var config = File.OpenRead($"/sys/bus/pci/devices/{address}/config");
        config.Position = 4;
        return config.ReadByte();
    }

    /// <summary>Waits until an eventfd has counted <paramref name="expected"/>; answers what it counted within the limit.</summary>
    public static long Count(EventFdHandle eventFd, long expected = 1, int seconds = 20)
    {
        long total = 0;
        long limit = Stopwatch.GetTimestamp() + (seconds * Stopwatch.Frequency);
        PollFd[] ready = [new() { fd = eventFd.Number, events = LibC.POLLIN }];
        while (total < expected && Stopwatch.GetTimestamp() < limit)
        {
            LibC.poll(ready, 1, 100);
            total += eventFd.Read();
        }

        return total;
    }

    /// <summary>Waits for something that gives no signal of its own.</summary>
    public static bool Until(Func<bool> condition, int seconds = 20)
    {
        PollFd[] none = [];
        long limit = Stopwatch.GetTimestamp() + (seconds * Stopwatch.Frequency);
        while (!condition())
        {
            if (Stopwatch.GetTimestamp() > limit)
                return false;
            LibC.poll(none, 0, 5);
        }

        return true;
    }

    /// <summary>Says a line to the machine's monitor.</summary>
    public static string Monitor(string line) => Run("lab-monitor", line.Split(' '));

    /// <summary>Binds a function to a driver; <c>none</c> leaves it without.</summary>
    public static void Bind(string address, string driver) => Run("lab-bind", address, driver);

    /// <summary>Another process of this assembly; see <see cref="Program"/>.</summary>
    public static Process Start(params string[] arguments) => Launch("dotnet", [typeof(Lab).Assembly.Location, .. arguments]);

    /// <summary>The same without privileges.</summary>
    public static Process StartAsNobody(params string[] arguments) => Launch(
        "setpriv",
        ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "dotnet", typeof(Lab).Assembly.Location, .. arguments]);

    /// <summary>The same as root without one capability.</summary>
    public static Process StartWithout(string capability, params string[] arguments) => Launch(
        "setpriv",
        [$"--bounding-set=-{capability}", $"--inh-caps=-{capability}", "dotnet", typeof(Lab).Assembly.Location, .. arguments]);

    public static string Run(string program, params string[] arguments)
    {
        using var process = Launch(program, arguments);
        string output = process.StandardOutput.ReadToEnd(), error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {error}{output}");
        return output;
    }

    public static Process Launch(string program, IEnumerable<string> arguments) => Process.Start(new ProcessStartInfo(program, arguments)
    {
        UseShellExecute = false,
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;
}
