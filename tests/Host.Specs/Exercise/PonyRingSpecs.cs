using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Riser.Host.Exercise;

namespace Riser.Host.Specs.Exercise;

public sealed class PonyRingSpecs
{
    private readonly FakePort _port = new(64, (262144, 0x40000));
    private readonly PonyRing _ring = new();

    public PonyRingSpecs()
    {
        _ring.Begin(_port);
        _port.Take();
    }

    [Fact]
    public void Ring_asks_once_however_many_vectors_are_heard()
    {
        _ring.Interrupted(0, 1);
        _ring.Interrupted(1, 5);

        Assert.Equal([new DeviceProtocol.ReadBar(0, PonyRegisters.RingProduced, 8)], _port.Take());
    }

    [Fact]
    public void Ring_checks_frames_and_gives_them_back()
    {
        PonyPattern.Frame(_port.Regions[0].Memory.Span(0, 1024), 0);
        PonyPattern.Frame(_port.Regions[0].Memory.Span(1024, 100), 1);

        Produced(2);

        Assert.Equal(new DmaTally(1124, 1124, 0), _ring.Dma);
        Assert.Contains(new DeviceProtocol.WriteBar(0, PonyRegisters.RingConsumed, 8, 2), _port.Take());
    }

    [Fact]
    public void Ring_counts_a_frame_as_corrupt_when_one_bit_is_wrong()
    {
        var frame = _port.Regions[0].Memory.Span(0, 1024);
        PonyPattern.Frame(frame, 0);
        frame[500] ^= 1;

        Produced(1);

        Assert.Equal(new DmaTally(1024, 0, 1024), _ring.Dma);
    }

    [Fact]
    public void Ring_begins_anew_with_a_new_session()
    {
        PonyPattern.Frame(_port.Regions[0].Memory.Span(0, 1024), 0);
        Produced(1);
        _ring.Lost();
        _ring.Begin(_port);

        Produced(1);

        Assert.Equal(2048, _ring.Dma.Verified);
    }

    [Fact]
    public void Ring_looks_once_more_after_the_pony_has_stopped()
    {
        _ring.Stop();
        Assert.False(_ring.IsIdle);
        _ring.Answered(FakePort.Written(PonyRegisters.Control));
        Assert.False(_ring.IsIdle);
        PonyPattern.Frame(_port.Regions[0].Memory.Span(0, 1024), 0);

        Produced(1);

        Assert.True(_ring.IsIdle);
        Assert.Equal(1024, _ring.Dma.Verified);
    }

    private void Produced(ulong frames) => _ring.Answered(new DeviceProtocol.BarValue(0, PonyRegisters.RingProduced, 8, frames));
}
