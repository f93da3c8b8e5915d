using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Interrupts;
using Riser.Actors.Reactor;
using Riser.Actors.Specs.Reactor;

namespace Riser.Actors.Specs.Devices;

public sealed class DeviceCountersSpecs
{
    private static readonly DeviceId s_device = DeviceId.Parse("sim:pony");

    [Fact]
    public async Task What_has_been_counted_is_never_taken_back_as_vectors_come_and_go()
    {
        const int Looks = 5_000, Vectors = 500;
        using var loop = LoopDriver.Loop();
        var channels = Enumerable.Range(0, Vectors).Select(v => new VectorChannel(s_device, VectorKind.MsiX, v, loop)).ToList();
        foreach (var channel in channels)
        {
            channel.EventFd.Signal();
            channel.Drain();
        }
        var counters = new DeviceCounters(s_device);
        int looks = 0, falls = 0;
        var reader = Task.Run(() =>
        {
            for (long last = 0; looks < Looks; Volatile.Write(ref looks, looks + 1))
            {
                long now = counters.Interrupts;
                falls += now < last ? 1 : 0;
                last = now;
            }
        });

        long rounds = 0;
        for (; Volatile.Read(ref looks) < Looks; rounds++) // the same ones again and again, as if they were others
        {
            counters.Add(channels);
            counters.Close(channels);
        }

        await reader;
        Assert.Equal(0, falls);
        Assert.Equal(rounds * Vectors, counters.Interrupts);
    }
}
