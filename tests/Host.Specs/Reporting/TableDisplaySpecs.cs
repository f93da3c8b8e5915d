using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Host.Exercise;
using Riser.Host.Reporting;
using Spectre.Console;

namespace Riser.Host.Specs.Reporting;

public sealed class TableDisplaySpecs
{
    [Theory]
    [InlineData(160, 2, 1)]
    [InlineData(80, 2, 1)] // side by side
    [InlineData(84, 5, 2)] // three, and two below
    [InlineData(40, 2, 2)] // one below the other
    public void Table_shows_every_figure_whole_however_narrow_the_terminal_is(int width, int devices, int tables)
    {
        var snapshot = new Snapshot(TimeSpan.FromSeconds(3), [.. Enumerable.Range(0, devices).Select(Device)]);
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = width;

        console.Write(TableDisplay.Draw(snapshot, isLive: false, width));

        string[] lines = text.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(lines, line => Assert.True(line.TrimEnd().Length <= width, line));
        Assert.DoesNotContain('…', text.ToString());
        for (int i = 0; i < devices; i++)
        {
            Assert.Contains($"sim:pony{i}", text.ToString(), StringComparison.Ordinal);
            Assert.Contains($"1,234,567,89{i}", text.ToString(), StringComparison.Ordinal);
        }
        Assert.Contains("DMA moved", text.ToString(), StringComparison.Ordinal);
        Assert.Equal(tables, lines.Count(line => line.StartsWith('╭')));
    }

    private static DeviceSnapshot Device(int number)
    {
        var id = DeviceId.Parse($"sim:pony{number}");
        var device = new DeviceProtocol.Description(new(id, 0x1209, 0x9057, 0x088000, Group: null), DevicePhase.Ready, 1, 0, ActorRefs.Nobody, Info: null, LastFault: null, new(64, 0, 0, 0, 1, 4096));
        return new(device, new(id, HasBegun: true, 64, 1_234_567_890 + number, 1_234_567_890 + number, 987_654_321, new DmaTally(1L << 40, 1L << 40, 0), Problem: null));
    }
}
