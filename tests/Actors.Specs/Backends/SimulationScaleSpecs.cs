using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends;

/// <summary>Many devices on one node.</summary>
public sealed class SimulationScaleSpecs() : SimulationSpec("devices { pony0 { } }")
{
    [Fact]
    public void A_thousand_devices_are_small_and_share_one_thread()
    {
        const int Count = 1000, Vectors = 4;
        int threads = Directory.GetDirectories("/proc/self/task").Length;
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var devices = Enumerable.Range(1, Count).Select(i => Backend.Add($"pony{i}", new PonyOptions { Vectors = 16, Rate = 100 })).ToArray();
        using var eventFd = EventFdHandle.Create(); // one for all: the limit of open files is not what is looked at
        var eventFds = Enumerable.Repeat<EventFdHandle?>(eventFd, Vectors).ToArray();
        using var memory = new TestMemory(4096);
        foreach (var device in devices)
        {
            var session = Own(Backend.Open(device.Id));
            session.Map([memory.At(0x10_0000)]);
            session.Arm(VectorKind.MsiX, 0, eventFds);
        }

        long each = (GC.GetTotalMemory(forceFullCollection: true) - before) / Count;

        Assert.InRange(each, 0, 64 * 1024);
        Assert.InRange(Directory.GetDirectories("/proc/self/task").Length - threads, int.MinValue, 32); // other specs' threads too
        Assert.True(SpinWait.SpinUntil(() => devices.All(d => d.TriggeredTotal > 0), TimeSpan.FromSeconds(30)));
        foreach (var device in devices)
            device.SurpriseRemove();
        Assert.Equal(devices.Sum(d => d.TriggeredTotal), eventFd.Read());
    }
}
