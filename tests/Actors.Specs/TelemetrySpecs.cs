using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Specs.Architecture;
using Riser.Actors.Specs.Devices;
using Xunit.Abstractions;

namespace Riser.Actors.Specs;

public sealed class TelemetrySpecs(ITestOutputHelper output) : DeviceSpec(output, "riser.backends.sim.devices.pony.vectors = 16")
{
    [Fact]
    public void Every_instrument_tells_what_happened_to_the_device()
    {
        var seen = new ConcurrentDictionary<string, long>(StringComparer.Ordinal);
        var units = new ConcurrentDictionary<string, string?>(StringComparer.Ordinal);
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == Telemetry.Name)
                self.EnableMeasurementEvents(instrument);
        };
        // Other specs run devices of the same name beside this one: the counts are at least this one's.
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            string? state = null;
            foreach (var tag in tags)
                state = tag.Key is "hw.state" or "error.type" ? $"{{{tag.Value}}}" : state;
            seen.AddOrUpdate(instrument.Name + state, value, (_, former) => Math.Max(former, value));
            units[instrument.Name] = instrument.Unit;
        });
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
        {
            seen.AddOrUpdate(instrument.Name, (long)value, (_, former) => Math.Max(former, (long)value));
            units[instrument.Name] = instrument.Unit;
            Assert.Contains(tags.ToArray(), tag => tag is { Key: "thread.name", Value: string });
        });
        listener.Start();
        Open();
        var subscriber = Subscribe(OpenVectors(16)[3]);
        Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(1 << 20))));
        Simulation.Raise(3, 11);
        ExpectInterrupts(subscriber, 11);
        Simulation.ReportError();
        ExpectMsg<DeviceProtocol.SessionLost>();
        ExpectMsg<DeviceProtocol.SessionReady>();

        listener.RecordObservableInstruments();

        Assert.True(seen["riser.interrupts.delivered"] >= 11);
        Assert.True(seen["riser.interrupts.messages"] >= 1);
        Assert.True(seen["riser.reactor.waits"] >= 1);
        Assert.True(seen["riser.reactor.sleeps"] >= 1);
        Assert.True(seen["riser.reactor.polling"] >= 0);
        Assert.True(seen["riser.dma.locked"] >= 1 << 20);
        Assert.True(seen["riser.session.restarts"] >= 1);
        Assert.True(seen["hw.errors{DeviceError}"] >= 1);
        Assert.Equal(1, seen["hw.status{ok}"]);
        Assert.Contains("riser.interrupts.triggered", seen);
        Assert.Equal(("{interrupt}", "By", "{restart}"), (units["riser.interrupts.delivered"], units["riser.dma.locked"], units["riser.session.restarts"]));
    }

    [Fact]
    public void Document_lists_every_instrument_with_its_kind_and_unit()
    {
        var published = new SortedSet<string>(StringComparer.Ordinal);
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (instrument.Meter.Name == Telemetry.Name)
                published.Add($"| `{instrument.Name}` | {(instrument is ObservableUpDownCounter<long> ? "up-down counter" : "counter")} | `{instrument.Unit}` |");
        };
        listener.Start();

        var documented = Page().Where(line => line.StartsWith("| `", StringComparison.Ordinal) && line.Count(c => c == '|') == 5)
            .Select(line => line[..(line.LastIndexOf('|', line.LastIndexOf('|') - 1) + 1)]);

        Assert.Equal(published, documented.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_state_of_a_device_is_one_status()
    {
        Open();
        Assert.Equal("ok", Status());
        Simulation.SurpriseRemove();
        FishForMessage(m => m is DeviceProtocol.SessionLost);
        AwaitAssert(() => Assert.Equal("failed", Status()));
        Simulation.Replug();
        FishForMessage(m => m is DeviceProtocol.SessionReady);
        AwaitAssert(() => Assert.Equal("ok", Status()));
    }

    [Fact]
    public void Sessions_and_mappings_are_activities()
    {
        var names = new ConcurrentBag<string>();
        var tags = new ConcurrentBag<string>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == Telemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                names.Add(activity.OperationName);
                tags.Add(string.Join(' ', activity.TagObjects.Select(t => t.Key)));
            },
        };
        ActivitySource.AddActivityListener(listener);
        Open();
        var created = Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(4096))));
        created.Region.Tell(new DmaProtocol.Unmap(), TestActor);
        ExpectMsg<DmaProtocol.Unmapped>();
        Ask<DeviceProtocol.ResetDone>(new DeviceProtocol.Reset());
        Ask<DeviceProtocol.Closed>(new DeviceProtocol.Close());

        string[] expected = [.. Page().Where(line => line.StartsWith("| `riser.", StringComparison.Ordinal) && line.Count(c => c == '|') == 3).Select(line => line.Split('`')[1])];
        Assert.Equal(5, expected.Length);
        Assert.Superset(expected.ToHashSet(StringComparer.Ordinal), names.ToHashSet(StringComparer.Ordinal));
        Assert.All(tags, t => Assert.Equal("hw.id riser.epoch", t));
    }

    private static string[] Page() => File.ReadAllLines(Path.Combine(LayerSpecs.Root, "docs", "telemetry.md"));

    // Of the device of this spec alone: others run beside it under the same id, each with a cell of its own.
    private string Status() => Telemetry.StateOf(Describe().State);
}
