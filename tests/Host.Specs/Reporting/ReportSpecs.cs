using System.Text.Json;
using Riser.Host.Specs.Support;

namespace Riser.Host.Specs.Reporting;

/// <summary>The report is a format that other programs read: its keys are these, in this order.</summary>
public sealed class ReportSpecs
{
    private static readonly string[] s_keys =
    [
        "elapsedSeconds", "devices", "id", "backend", "state", "epoch", "restarts", "vectors",
        "interrupts", "triggered", "delivered", "messages",
        "dma", "regions", "lockedBytes", "movedBytes", "verifiedBytes", "corruptBytes", "lastFault",
    ];

    [Fact]
    public async Task Report_has_the_keys_that_it_is_promised_to_have()
    {
        var result = await RiserProcess.RunAsync("run", "--for", "200ms", "--device", "sim:pony0", "--report", "-");

        result.MustBe(0);
        Assert.Equal(s_keys, Keys(result.Json()));
    }

    [Fact]
    public async Task Run_that_fails_leaves_no_empty_report_behind()
    {
        using var config = new TemporaryFile(StubbornBackend.Configuration);
        string report = Path.Combine(Path.GetTempPath(), $"riser-specs-{Guid.NewGuid():N}.json");

        var result = await RiserProcess.RunAsync("run", "--config", config.Path, "--device", "stubborn:busy", "--report", report);

        result.MustBe(1);
        Assert.False(File.Exists(report));
    }

    private static IEnumerable<string> Keys(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().SelectMany(p => Keys(p.Value).Prepend(p.Name)),
        JsonValueKind.Array => element.EnumerateArray().Take(1).SelectMany(Keys),
        _ => [],
    };
}
