using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Reactor;

namespace Riser.Actors;

/// <summary>
/// What the runtime tells the outside, by System.Diagnostics: the meter and the activity source <c>Riser</c>. Every measurement of a device
/// carries <c>hw.id</c> (the device id) and <c>hw.type</c> (<c>pci</c>), OpenTelemetry's names. All instruments are
/// observed: nothing on the interrupt path waits for a listener. docs/telemetry.md is the whole list.
/// </summary>
/// <remarks>
/// <c>riser.interrupts.triggered</c> ({interrupt}): signals that were asked for from software;
/// <c>riser.interrupts.delivered</c> ({interrupt}): signals that were counted;
/// <c>riser.interrupts.messages</c> ({message}): messages that told of them;
/// <c>riser.dma.locked</c> (By): memory mapped for a device now;
/// <c>riser.session.restarts</c> ({restart}): sessions that had to be opened again;
/// <c>riser.reactor.waits</c> ({call}, with <c>thread.name</c>, as all of the reactor's): how often a reactor asked the kernel for events;
/// <c>riser.reactor.sleeps</c> ({sleep}): how often it was ready to sleep in that;
/// <c>riser.reactor.polling</c> (s): how long it looked for interrupts instead of sleeping;
/// <c>hw.errors</c> ({error}, with <c>error.type</c>): sessions that were lost, by cause;
/// <c>hw.status</c> (1, with <c>hw.state</c> ok, degraded or failed): 1 for the state that a device is in.
/// Activities: <c>riser.session.open</c>, <c>riser.session.end</c>, <c>riser.dma.map</c>, <c>riser.dma.unmap</c>, <c>riser.device.reset</c>.
/// </remarks>
public static class Telemetry
{
    /// <summary>The name of the meter and of the activity source.</summary>
    public const string Name = "Riser";

    private static readonly string[] s_states = ["ok", "degraded", "failed"];
    private static readonly ConcurrentDictionary<DeviceCounters, byte> s_devices = [];
    private static readonly ConcurrentDictionary<EventLoop, byte> s_loops = [];
    private static readonly Meter s_meter = new(Name, typeof(Telemetry).Assembly.GetName().Version?.ToString(3));

    static Telemetry()
    {
        s_meter.CreateObservableCounter("riser.interrupts.triggered", () => Observe(d => d.Triggers), "{interrupt}", "Signals that were asked for from software.");
        s_meter.CreateObservableCounter("riser.interrupts.delivered", () => Observe(d => d.Interrupts), "{interrupt}", "eventfd signals that were counted.");
        s_meter.CreateObservableCounter("riser.interrupts.messages", () => Observe(d => d.Messages), "{message}", "Messages that told of interrupts.");
        s_meter.CreateObservableUpDownCounter("riser.dma.locked", () => Observe(d => d.LockedBytes), "By", "Memory mapped for the device.");
        s_meter.CreateObservableCounter("riser.session.restarts", () => Observe(d => d.Restarts), "{restart}", "Sessions that had to be opened again.");
        s_meter.CreateObservableCounter("riser.reactor.waits", () => Observe(l => l.Waits), "{call}", "How often a reactor asked for events.");
        s_meter.CreateObservableCounter("riser.reactor.sleeps", () => Observe(l => l.Sleeps), "{sleep}", "How often it was ready to sleep in that.");
        s_meter.CreateObservableCounter("riser.reactor.polling", () => Observe(l => l.Looked.TotalSeconds), "s", "How long it looked for interrupts instead of sleeping.");
        s_meter.CreateObservableCounter("hw.errors", Errors, "{error}", "Sessions that were lost.");
        s_meter.CreateObservableUpDownCounter("hw.status", Status, "1", "1 for the state that the device is in.");
    }

    internal static ActivitySource Activities { get; } = new(Name);

    internal static void Add(DeviceCounters device) => s_devices.TryAdd(device, 0);

    internal static void Remove(DeviceCounters device) => s_devices.TryRemove(device, out _);

    internal static void Add(EventLoop loop) => s_loops.TryAdd(loop, 0);

    internal static void Remove(EventLoop loop) => s_loops.TryRemove(loop, out _);

    private static IEnumerable<Measurement<T>> Observe<T>(Func<EventLoop, T> value)
        where T : struct =>
        s_loops.Keys.Select(loop => new Measurement<T>(value(loop), new KeyValuePair<string, object?>("thread.name", loop.Name)));

    private static IEnumerable<Measurement<long>> Observe(Func<DeviceCounters, long> value) =>
        s_devices.Keys.Select(device => new Measurement<long>(value(device), Tags(device.Device)));

    private static IEnumerable<Measurement<long>> Errors() =>
        from device in s_devices.Keys
        from error in device.Losses
        select new Measurement<long>(error.Value, [.. Tags(device.Device), new("error.type", error.Key.ToString())]);

    private static IEnumerable<Measurement<long>> Status() =>
        from device in s_devices.Keys
        from state in s_states
        select new Measurement<long>(StateOf(device.Phase) == state ? 1 : 0, [.. Tags(device.Device), new("hw.state", state)]);

    internal static string StateOf(DevicePhase phase) => phase switch
    {
        DevicePhase.Quarantined or DevicePhase.Absent => "failed",
        DevicePhase.BackingOff => "degraded",
        _ => "ok",
    };

    private static KeyValuePair<string, object?>[] Tags(DeviceId device) => [new("hw.id", device.ToString()), new("hw.type", "pci")];
}
