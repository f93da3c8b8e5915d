using Riser.Actors.Devices;
using Riser.Host.Exercise;

namespace Riser.Host.Specs.Exercise;

public sealed class EduLoadSpecs
{
    private const ulong Iova = 0x100000;

    private readonly FakePort _port = new(1, (4096, Iova));
    private readonly EduLoad _edu = new();

    public EduLoadSpecs() => _edu.Begin(_port);

    [Fact]
    public void Edu_waits_for_every_interrupt_before_the_next_step()
    {
        Assert.Equal([(0, 16)], _port.Take());

        _edu.Interrupted(0, 10); // may be heard before the answer to the command
        _edu.Answered(FakePort.Triggered(0, 16));
        Assert.Empty(_port.Take());
        _edu.Interrupted(0, 6);

        Assert.Equal([new DeviceProtocol.WriteBar(0, 0x60, 4, 1)], _port.Take());
    }

    [Fact]
    public void Edu_moves_a_block_there_and_back_and_compares()
    {
        GoToTheFirstBlock();
        Assert.Equal(
            [Write(0x80, Iova), Write(0x88, 0x40000), Write(0x90, 2048), Write(0x98, 5)],
            _port.Take().OfType<DeviceProtocol.WriteBar>().Where(w => w.Offset >= 0x80));
        Moved();
        Assert.Equal(
            [Write(0x80, 0x40000), Write(0x88, Iova + 2048), Write(0x90, 2048), Write(0x98, 7)],
            _port.Take().OfType<DeviceProtocol.WriteBar>().Where(w => w.Offset >= 0x80));
        var memory = _port.Regions[0].Memory;
        memory.Span(0, 2048).CopyTo(memory.Span(2048, 2048));
        Moved();

        Assert.Equal(new DmaTally(4096, 4096, 0), _edu.Dma);
        Assert.Equal(16 + 1 + 2, _edu.Triggered);
    }

    [Fact]
    public void Edu_counts_a_block_as_corrupt_when_it_does_not_come_back()
    {
        GoToTheFirstBlock();
        Moved();
        Moved();

        Assert.Equal(new DmaTally(4096, 0, 4096), _edu.Dma);
    }

    [Fact]
    public void Edu_brings_a_block_back_before_it_stops()
    {
        GoToTheFirstBlock();
        _edu.Stop();
        Moved();
        Assert.False(_edu.IsIdle);
        Moved();

        Assert.True(_edu.IsIdle);
    }

    private static DeviceProtocol.WriteBar Write(ulong offset, ulong value) => new(0, offset, 8, value);

    private void GoToTheFirstBlock()
    {
        _edu.Answered(FakePort.Triggered(0, 16));
        _edu.Interrupted(0, 16);
        _edu.Answered(FakePort.Written(0x60));
        _edu.Interrupted(0, 1);
    }

    private void Moved()
    {
        _edu.Answered(FakePort.Written(0x98, 8));
        _edu.Interrupted(0, 1);
    }
}
