namespace Riser.Host.Reporting;

/// <summary>A line for each device now and then, for logs and pipes.</summary>
internal sealed class LineDisplay(TextWriter output) : IDisplay
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(3);

    public Task ShowAsync(Func<Task<Snapshot>> look, Task<string?[]> begun, CancellationToken over) =>
        Display.RepeatAsync(s_interval, look, WriteAsync, begun, over);

    public Task EndAsync(Snapshot end) => WriteAsync(end);

    public void Dispose()
    {
    }

    internal static string Line(TimeSpan elapsed, DeviceSnapshot snapshot)
    {
        var (device, tally) = snapshot;
        return $"{Texts.Time(elapsed)} {tally.Device} {Texts.Of(device.State)}, epoch {device.Epoch}: "
            + $"{Texts.Count(tally.Triggered)} interrupts, {Texts.Count(tally.Delivered)} delivered in {Texts.Count(tally.Messages)} messages; "
            + $"DMA {Texts.Bytes(tally.Dma.Moved)} moved, {Texts.Bytes(tally.Dma.Verified)} right, {Texts.Bytes(tally.Dma.Corrupt)} corrupt; "
            + $"{device.Restarts} restarts";
    }

    private async Task WriteAsync(Snapshot snapshot)
    {
        foreach (var device in snapshot.Devices)
            await output.WriteLineAsync(Line(snapshot.Elapsed, device));
        await output.FlushAsync();
    }
}
