using Riser.Actors.Devices;
using Riser.Host.Service;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Riser.Host.Reporting;

/// <summary>A live table on a terminal; the latest warnings stand below it and are written out when it ends.</summary>
internal sealed class TableDisplay : IDisplay
{
    private const int Warnings = 4;
    private const int Wide = 124; // the table with a device's name and figures of usual length
    private const int TitleWidth = 16, DeviceWidth = 22; // of the form for a narrow terminal
    private static readonly string[] s_titles = ["device", "state", "epoch", "triggered", "delivered", "messages", "per message", "DMA moved", "checked", "corrupt", "restarts"];
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(250);

    private readonly IAnsiConsole _console;
    private readonly IDisposable _aside = LogSink.SetAside();

    public TableDisplay(IAnsiConsole console) => _console = console;

    public Task ShowAsync(Func<Task<Snapshot>> look, Task<string?[]> begun, CancellationToken over) =>
        _console.Live(new Text("Opening the devices…")).AutoClear(enabled: true).StartAsync(live => Display.RepeatAsync(
            s_interval,
            look,
            snapshot =>
            {
                live.UpdateTarget(Draw(snapshot, isLive: true, _console.Profile.Width));
                return Task.CompletedTask;
            },
            begun,
            over));

    public Task EndAsync(Snapshot end)
    {
        _console.Write(Draw(end, isLive: false, _console.Profile.Width));
        return Task.CompletedTask;
    }

    public void Dispose() => _aside.Dispose();

    /// <param name="snapshot">What to show.</param>
    /// <param name="isLive">With the time and the latest warnings.</param>
    /// <param name="width">Columns of the terminal: where the table does not fit, its devices stand side by side, or else one below the other.</param>
    internal static IRenderable Draw(Snapshot snapshot, bool isLive, int width)
    {
        IRenderable table = width >= Wide ? Rows(snapshot) : Columns(snapshot, width);
        if (!isLive)
            return table;
        List<IRenderable> rows = [table, new Markup($"[grey]{Texts.Time(snapshot.Elapsed)}, Ctrl-C ends it in order[/]")];
        rows.AddRange(LogSink.Latest(Warnings).Select(line => new Text(line, new Style(Color.Yellow))));
        return new Rows(rows);
    }

    private static Table Rows(Snapshot snapshot)
    {
        var table = new Table().RoundedBorder();
        foreach (string title in s_titles)
            table.AddColumn(title is "device" or "state" ? new TableColumn(title) : new TableColumn(title).RightAligned());
        foreach (var device in snapshot.Devices)
            table.AddRow([.. Row(device)]);
        return table;
    }

    private static Rows Columns(Snapshot snapshot, int width)
    {
        int beside = Math.Max(1, (width - TitleWidth) / DeviceWidth);
        return new(snapshot.Devices.Chunk(beside).Select(devices =>
        {
            var table = new Table().RoundedBorder();
            var cells = devices.Select(device => Row(device).ToArray()).ToArray();
            table.AddColumn(s_titles[0]);
            foreach (var device in devices)
                table.AddColumn(new TableColumn(device.Tally.Device.ToString()).RightAligned());
            for (int i = 1; i < s_titles.Length; i++)
                table.AddRow([new Text(s_titles[i]), .. cells.Select(c => c[i])]);
            return table;
        }));
    }

    private static IEnumerable<IRenderable> Row(DeviceSnapshot snapshot)
    {
        var (device, tally) = snapshot;
        var good = new Style(Color.Green);
        var bad = new Style(Color.Red);
        yield return new Text(tally.Device.ToString());
        yield return new Text(Texts.Of(device.State), device.State == DevicePhase.Ready ? good : bad);
        yield return new Text(Texts.Count(device.Epoch));
        yield return new Text(Texts.Count(tally.Triggered));
        yield return new Text(Texts.Count(tally.Delivered));
        yield return new Text(Texts.Count(tally.Messages));
        yield return new Text(tally.Messages == 0 ? "-" : FormattableString.Invariant($"{(double)tally.Delivered / tally.Messages:0.00}"));
        yield return new Text(Texts.Bytes(tally.Dma.Moved));
        yield return new Text(Texts.Bytes(tally.Dma.Verified));
        yield return new Text(Texts.Bytes(tally.Dma.Corrupt), tally.Dma.Corrupt == 0 ? Style.Plain : bad);
        yield return new Text(Texts.Count(device.Restarts), device.Restarts == 0 ? Style.Plain : new Style(Color.Yellow));
    }
}
