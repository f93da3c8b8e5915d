using Riser.Actors;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;

namespace Riser.Host.Exercise;

/// <summary>Lets a pony make its own load: it interrupts, and writes frames into a ring, which are checked and given back.</summary>
internal sealed class PonyRing : Exercise
{
    private const int Frames = 256;
    private const int FrameSize = 1024;

    private IPort? _port;
    private ulong _next; // frame to be checked
    private bool _asking;
    private bool _stopping;
    private bool _stopped; // the pony has heard that it is to stop

    public override IReadOnlyList<RegionWish> Regions => [new(Frames * FrameSize)];

    public override bool IsIdle => _port is null || (_stopped && !_asking);

    public override void Begin(IPort port)
    {
        _port = port;
        (_next, _asking, _stopped) = (0, false, false);
        port.Write(0, PonyRegisters.RingFrameSize, 4, FrameSize);
        port.Write(0, PonyRegisters.RingBase, 8, port.Regions[0].Iova);
        port.Write(0, PonyRegisters.RingFrames, 4, Frames);
        port.Write(0, PonyRegisters.Control, 4, _stopping ? 0UL : 1);
    }

    // However many vectors are heard meanwhile, one question is out: the answer is about all frames.
    public override void Interrupted(int vector, long count) => Ask();

    public override void Answered(object answer)
    {
        switch (answer)
        {
            case DeviceProtocol.BarValue { Bar: 0, Offset: PonyRegisters.RingProduced } produced:
                _asking = false;
                Check(produced.Value);
                break;
            case DeviceProtocol.BarWritten { Bar: 0, Offset: PonyRegisters.Control } when _stopping:
                _stopped = true;
                _asking = false;
                Ask();
                break;
            case Refused { Command: DeviceProtocol.ReadBar { Offset: PonyRegisters.RingProduced } } refused:
                _asking = false;
                Problem = $"the ring could not be read: {refused.Why} ({refused.Errno})";
                break;
            case Refused { Command: DeviceProtocol.WriteBar } refused:
                _stopped = _stopping;
                Problem = $"the ring could not be set up: {refused.Why} ({refused.Errno})";
                break;
            default:
                break;
        }
    }

    public override void Lost()
    {
        _port = null;
        _asking = false;
    }

    public override void Stop()
    {
        _stopping = true;
        _port?.Write(0, PonyRegisters.Control, 4, 0);
    }

    private void Ask()
    {
        if (_asking || _port is null)
            return;
        _asking = true;
        _port.Read(0, PonyRegisters.RingProduced, 8);
    }

    private void Check(ulong produced)
    {
        if (_port is null || produced <= _next)
            return;
        var memory = _port.Regions[0].Memory;
        for (; _next < produced; _next++)
        {
            int? length = PonyPattern.Verify(memory.Span(_next % Frames * FrameSize, FrameSize), _next);
            Dma = Dma.With(length ?? FrameSize, right: length is not null);
        }
        _port.Write(0, PonyRegisters.RingConsumed, 8, _next);
    }
}
