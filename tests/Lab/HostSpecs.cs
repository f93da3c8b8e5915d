using System.Diagnostics;
using System.Text.Json;

namespace Riser.Lab.Specs;

/// <summary>The executable's main job on real devices.</summary>
public sealed class HostSpecs
{
    [SkippableTheory]
    [InlineData("EDU")]
    [InlineData("IVSHMEM")]
    public void Run_delivers_every_interrupt_that_it_triggers(string device)
    {
        string id = Lab.Device(device).ToString();

        using var riser = Start("run", "--device", id, "--exercise", "--for", "5s", "--report", "-");
        Check(riser, id, movesBytes: device == "EDU");
    }

    private static void Check(Process riser, string id, bool movesBytes)
    {
        string report = riser.StandardOutput.ReadToEnd();
        string error = riser.StandardError.ReadToEnd();
        riser.WaitForExit();

        Assert.True(riser.ExitCode == 0, $"exit code {riser.ExitCode}: {error}{report}");
        var found = JsonDocument.Parse(report).RootElement.GetProperty("devices")[0];
        Assert.Equal(id, found.GetProperty("id").GetString());
        var interrupts = found.GetProperty("interrupts");
        Assert.True(interrupts.GetProperty("triggered").GetInt64() > 0);
        Assert.Equal(interrupts.GetProperty("triggered").GetInt64(), interrupts.GetProperty("delivered").GetInt64());
        var dma = found.GetProperty("dma");
        Assert.Equal(0, dma.GetProperty("corruptBytes").GetInt64());
        if (movesBytes)
            Assert.True(dma.GetProperty("verifiedBytes").GetInt64() > 0);
    }

    [SkippableTheory]
    [InlineData("EDU")]
    [InlineData("IVSHMEM")]
    public void Run_of_an_unprivileged_user_delivers_every_interrupt_through_the_kernel_module(string device)
    {
        using var binding = new UioBinding(device).ForEveryone();
        string id = Lab.UioDevice(device).ToString();

        using var riser = Lab.Launch("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "dotnet", Riser, "run", "--device", id, "--exercise", "--for", "5s", "--report", "-"]);

        Check(riser, id, movesBytes: device == "EDU");
    }

    [SkippableFact]
    public void Kill_9_of_an_armed_host_leaves_the_device_quiet_and_the_next_run_works()
    {
        string address = Lab.Address("EDU");
        using (var riser = Start("run", "--device", $"vfio:{address}", "--exercise"))
        {
            bool master = Lab.Until(() => (Lab.Command(address) & 4) != 0, seconds: 300);
            riser.Kill();
            riser.WaitForExit();
            Assert.True(master, "the device never became bus master");
        }
        Assert.True(Lab.Until(() => (Lab.Command(address) & 4) == 0, seconds: 20), "bus mastering stayed on after SIGKILL");
        Run_delivers_every_interrupt_that_it_triggers("EDU");
    }

    private static Process Start(params string[] arguments) => Process.Start(new ProcessStartInfo("dotnet", [Riser, .. arguments])
    {
        UseShellExecute = false,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    // Built beside this assembly: artifacts/<source>/bin/<project>/<configuration>.
    private static string Riser
    {
        get
        {
            string here = AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar);
            string bin = Path.GetDirectoryName(Path.GetDirectoryName(here)!)!;
            return Path.Combine(bin, "Riser.Host", Path.GetFileName(here), "riser.dll");
        }
    }
}
