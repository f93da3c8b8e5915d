using Riser.Host.Specs.Support;

namespace Riser.Host.Specs.Commands;

/// <summary>What makes no sense is refused before anything starts, with the thing and the fix.</summary>
public sealed class BadInputSpecs
{
    private const int Usage = 2, Failure = 1;

    [Theory]
    [InlineData("'--frob'", "run", "--frob")]
    [InlineData("'5 parsecs' is not a duration. Write a number above 0 with ms, s, m or h", "run", "--for", "5 parsecs")]
    [InlineData("'0s' is not a duration", "run", "--for", "0s")]
    [InlineData("'pony0' is not a device id. Write <backend>:<address>", "run", "--device", "pony0")]
    [InlineData("There is no device sim:mule on this node. There are: sim:pony0, sim:pony1.", "run", "--device", "sim:mule")]
    [InlineData("There is no device tape:0 on this node.", "run", "--device", "tape:0")]
    [InlineData("The configuration '/no/such.conf' cannot be read: there is no such file.", "run", "--config", "/no/such.conf")]
    [InlineData("The report '/no/such/report.json' cannot be written", "run", "--report", "/no/such/report.json")]
    public async Task Command_line_is_refused_when_it_makes_no_sense(string says, params string[] arguments)
    {
        var result = await RiserProcess.RunAsync(arguments);

        result.MustBe(Usage);
        Assert.Contains(says, result.Errors, StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    [Theory]
    [InlineData("risre.device.open-timeout = 5s", "'risre'", "Sections are: riser, akka.")]
    [InlineData("riser.device.open-timeuot = 5s", "'riser.device.open-timeuot' is not a key of Riser", "open-timeout")]
    [InlineData("riser.device.open-timeout = 5 parsecs", "riser.device.open-timeout is '5 parsecs'", "a number with us, ms, s, m or h")]
    [InlineData("riser.backends.enabled = [sim, tape]", "'tape'", "riser.backends.tape.class")]
    [InlineData("riser.backends.sim.devices.a { vectors = many }", "vectors", "2048")]
    [InlineData("riser.backends.sim.devices.a { colour = pink }", "colour is unknown", "msi-vectors")]
    [InlineData("riser = 5", "'riser'", "reference.conf")]
    [InlineData("riser.device.heartbeat = 5s", "'riser.device.heartbeat'", "reference.conf")]
    [InlineData("riser { device {", "the '{' in line 1 is not closed", "reference.conf")]
    public async Task Configuration_is_refused_when_it_makes_no_sense(string text, string names, string fix)
    {
        using var config = new TemporaryFile(text);

        var result = await RiserProcess.RunAsync("run", "--for", "100ms", "--config", config.Path);

        result.MustBe(Usage);
        Assert.Contains(config.Path, result.Errors, StringComparison.Ordinal);
        Assert.Contains(names, result.Errors, StringComparison.Ordinal);
        Assert.Contains(fix, result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_is_refused_when_there_is_no_device()
    {
        using var config = new TemporaryFile("riser.backends.enabled = [sim]");

        var result = await RiserProcess.RunAsync("run", "--config", config.Path);

        result.MustBe(Usage);
        Assert.Contains("Name one with --device", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_fails_with_errno_and_fix_when_a_device_is_busy()
    {
        using var config = new TemporaryFile(StubbornBackend.Configuration);

        var result = await RiserProcess.RunAsync("run", "--config", config.Path, "--device", "stubborn:busy");

        result.MustBe(Failure);
        Assert.Contains("stubborn:busy is held by another program (EBUSY). End that program.", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_fails_at_once_when_a_device_is_seen_to_be_blocked()
    {
        using var config = new TemporaryFile(StubbornBackend.Configuration);

        var result = await RiserProcess.RunAsync("run", "--config", config.Path, "--device", "stubborn:blocked");

        result.MustBe(Failure);
        Assert.Contains("stubborn:blocked cannot be opened: Its group 7 is not viable", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Devices_are_listed_with_what_blocks_them()
    {
        using var config = new TemporaryFile(StubbornBackend.Configuration);

        var result = await RiserProcess.RunAsync("devices", "--config", config.Path);

        result.MustBe(0);
        Assert.Contains("stubborn:busy     1af4:0001", result.Output, StringComparison.Ordinal);
        Assert.Contains("no: Its group 7 is not viable", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Configuration_is_printed_with_every_default()
    {
        using var config = new TemporaryFile("riser.device.open-timeout = 7s");

        var result = await RiserProcess.RunAsync("config", "--config", config.Path);

        result.MustBe(0);
        Assert.Contains("open-timeout : 7s", result.Output, StringComparison.Ordinal);
        Assert.Contains("end-timeout", result.Output, StringComparison.Ordinal);
    }
}
