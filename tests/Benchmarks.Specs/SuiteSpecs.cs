using System.Text.Json;

namespace Riser.Benchmarks.Specs;

/// <summary>The suite from its command line: what it reports, and that it does not report what it cannot vouch for.</summary>
[Collection("floor")] // each run compiles the floor anew, into the same folder
public sealed class SuiteSpecs
{
    private static readonly Dictionary<string, string> s_asItIs = [];

    [Fact]
    public async Task Suite_reports_nothing_where_there_is_only_one_processor()
    {
        var suite = await SuiteProcess.RunAsync(new Dictionary<string, string> { ["DOTNET_PROCESSOR_COUNT"] = "1" }, "--quick", "--filter", "idle");

        Assert.Equal(1, suite.Status);
        Assert.Contains("Nothing is reported. This machine lends one processor only", suite.Errors);
        Assert.Empty(suite.Output);
    }

    [Fact]
    public async Task Suite_reports_nothing_without_a_compiler_for_the_floor()
    {
        var suite = await SuiteProcess.RunAsync(new Dictionary<string, string> { ["PATH"] = "/nowhere" }, "--quick", "--filter", "idle");

        Assert.Equal(1, suite.Status);
        Assert.Contains("Nothing is reported. The floor needs gcc", suite.Errors);
        Assert.Empty(suite.Output);
    }

    [Fact]
    public async Task Suite_names_its_benchmarks_when_a_filter_matches_none()
    {
        var suite = await SuiteProcess.RunAsync(s_asItIs, "--filter", "warp");

        Assert.Equal(2, suite.Status);
        Assert.Contains("delivery", suite.Errors);
        Assert.Contains("concurrent", suite.Errors);
    }

    [Fact]
    public async Task Suite_lists_what_the_filter_leaves()
    {
        var suite = await SuiteProcess.RunAsync(s_asItIs, "--list", "--filter", "burst", "--filter", "idle");

        Assert.Equal(0, suite.Status);
        Assert.Equal(["bursts", "idle"], suite.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ')[0]).Order());
    }

    [Fact]
    public async Task Suite_writes_its_rows_for_programs()
    {
        if (Environment.ProcessorCount < 2)
            return; // what it says then is a spec of its own
        string file = Path.GetTempFileName();
        try
        {
            var suite = await SuiteProcess.RunAsync(s_asItIs, "--quick", "--filter", "delivery", "--json", file);

            Assert.True(suite.Status == 0, suite.Errors);
            using var report = JsonDocument.Parse(await File.ReadAllTextAsync(file));
            var rows = report.RootElement.GetProperty("rows").EnumerateArray().ToList();
            Assert.All(rows, row =>
            {
                Assert.Equal("delivery", row.GetProperty("benchmark").GetString());
                Assert.NotEmpty(row.GetProperty("variant").GetString()!);
                Assert.Equal("C epoll + read", row.GetProperty("floor").GetString());
                Assert.True(row.GetProperty("ratioP50").GetDouble() > 0);
                Assert.True(row.GetProperty("ratioP99").GetDouble() > 0);
                Assert.True(row.GetProperty("ratioCpu").GetDouble() > 0);
                Assert.True(row.TryGetProperty("bytesPerEvent", out _));
                Assert.True(row.GetProperty("measured").GetProperty("p50").GetDouble() > 0);
            });
            Assert.Contains(rows, row => row.GetProperty("variant").GetString()!.Contains("polls", StringComparison.Ordinal));
            Assert.True(report.RootElement.GetProperty("machine").GetProperty("processors").GetInt32() >= 2);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Suite_measures_each_node_in_a_process_of_its_own()
    {
        string file = Path.GetTempFileName();
        try
        {
            var suite = await SuiteProcess.RunAsync(s_asItIs, "--quick", "--filter", "scale", "--json", file);

            Assert.True(suite.Status == 0, suite.Errors);
            using var report = JsonDocument.Parse(await File.ReadAllTextAsync(file));
            var residents = report.RootElement.GetProperty("rows").EnumerateArray().Where(row => row.GetProperty("variant").GetString()!.EndsWith("resident", StringComparison.Ordinal)).ToList();
            Assert.Equal(3, residents.Count);
            Assert.All(residents, row => Assert.True(row.GetProperty("measured").GetProperty("p50").GetDouble() > 0)); // beside another node one was below 0
        }
        finally
        {
            File.Delete(file);
        }
    }
}
