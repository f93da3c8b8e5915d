using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Mono.Unix.Native;
using Riser.Host.Specs.Support;

namespace Riser.Host.Specs.Commands;

public sealed class RunSpecs
{
    [Fact]
    public async Task Run_prints_the_report_alone_on_standard_output_when_asked_for_it()
    {
        var result = await RiserProcess.RunAsync("run", "--for", "500ms", "--report", "-");

        result.MustBe(0);
        var devices = result.Json().GetProperty("devices").EnumerateArray().ToList();
        Assert.Equal(["sim:pony0", "sim:pony1"], devices.Select(d => d.GetProperty("id").GetString()));
        Assert.Equal([64, 256], devices.Select(d => d.GetProperty("vectors").GetInt32()));
        Assert.All(devices, AllWasDelivered);
    }

    [Fact]
    public async Task Run_loads_every_vector_and_the_engine_when_it_exercises()
    {
        await using var process = RiserProcess.Start("run", "--device", "sim:pony0", "--exercise", "--report", "-");
        await process.SaidAsync(line => !line.Contains(" 0 B moved", StringComparison.Ordinal) && Triggered(line) >= 64);
        Syscall.kill(process.Id, Signum.SIGTERM);

        var result = await process.EndAsync();
        result.MustBe(0);
        var device = Assert.Single(result.Json().GetProperty("devices").EnumerateArray());
        AllWasDelivered(device);
        Assert.True(device.GetProperty("dma").GetProperty("verifiedBytes").GetInt64() > 0);
    }

    [Fact]
    public async Task Run_counts_on_when_sessions_are_lost()
    {
        using var config = new TemporaryFile("""
            riser.backends.sim.devices.wild { mode = glitter, vectors = 16, rate = 5000, faults = 0.01 }
            """);

        var result = await RiserProcess.RunAsync("run", "--config", config.Path, "--for", "1s", "--report", "-");

        result.MustBe(0);
        AllWasDelivered(Assert.Single(result.Json().GetProperty("devices").EnumerateArray()));
    }

    [Fact]
    public async Task Run_writes_the_report_to_a_file_and_lines_to_standard_output()
    {
        using var report = new TemporaryFile("what was there before, and is longer than nothing");

        var result = await RiserProcess.RunAsync("run", "--device", "sim:pony0", "--for", "300ms", "--report", report.Path);

        result.MustBe(0);
        Assert.Contains("sim:pony0 ready, epoch 1:", result.Output, StringComparison.Ordinal);
        Assert.Empty(result.Errors);
        using var written = JsonDocument.Parse(await File.ReadAllTextAsync(report.Path));
        Assert.True(written.RootElement.GetProperty("elapsedSeconds").GetDouble() >= 0.3);
    }

    [Theory]
    [InlineData(Signum.SIGTERM)]
    [InlineData(Signum.SIGINT)]
    public async Task Run_ends_in_order_when_it_is_asked_to(Signum signal)
    {
        await using var process = RiserProcess.Start("run", "--report", "-");
        await process.SaidAsync(line => line.Contains("ready", StringComparison.Ordinal));

        Assert.Equal(0, Syscall.kill(process.Id, signal));

        var result = await process.EndAsync();
        result.MustBe(0);
        Assert.All(result.Json().GetProperty("devices").EnumerateArray(), AllWasDelivered);
    }

    private static int Triggered(string line) =>
        int.Parse(Regex.Match(line, @"(?<count>[\d,]+) interrupts", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1)).Groups["count"].Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture);

    private static void AllWasDelivered(JsonElement device)
    {
        var interrupts = device.GetProperty("interrupts");
        Assert.True(interrupts.GetProperty("delivered").GetInt64() > 0);
        Assert.Equal(interrupts.GetProperty("triggered").GetInt64(), interrupts.GetProperty("delivered").GetInt64());
        Assert.Equal(0, device.GetProperty("dma").GetProperty("corruptBytes").GetInt64());
        Assert.Equal("ready", device.GetProperty("state").GetString());
    }
}
