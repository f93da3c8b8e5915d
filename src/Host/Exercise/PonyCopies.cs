using Riser.Actors;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;

namespace Riser.Host.Exercise;

/// <summary>Moves a pattern from memory into a pony and back out to other memory with its DMA engine, and compares; its own load is off.</summary>
internal sealed class PonyCopies : Exercise
{
    private const int MemoryBar = 2;
    private const int MostBytes = 65536;

    private IPort? _port;
    private PonyCommand _command;
    private ulong _seed;
    private int _size;
    private bool _running;
    private bool _stopping;

    public override IReadOnlyList<RegionWish> Regions => [new(MostBytes), new(MostBytes)];

    public override bool IsIdle => !_running;

    public override void Begin(IPort port)
    {
        _port = port;
        _size = (int)Math.Min(MostBytes, port.Info.Bars.Single(b => b.Index == MemoryBar).Size);
        port.Write(0, PonyRegisters.Control, 4, 0);
        NextPattern();
    }

    public override void Answered(object answer)
    {
        switch (answer)
        {
            case DeviceProtocol.BarWritten { Bar: 0, Offset: PonyRegisters.Command } or DeviceProtocol.BarValue { Bar: 0, Offset: PonyRegisters.Status, Value: PonyRegisters.StatusBusy }:
                _port?.Read(0, PonyRegisters.Status, 4); // until it is done: a command takes microseconds
                break;
            case DeviceProtocol.BarValue { Bar: 0, Offset: PonyRegisters.Status } status:
                Ended(status.Value);
                break;
            case Refused { Command: DeviceProtocol.WriteBar or DeviceProtocol.ReadBar } refused:
                _running = false;
                Problem = $"the DMA engine could not be used: {refused.Why} ({refused.Errno})";
                break;
            default:
                break;
        }
    }

    public override void Lost()
    {
        _port = null;
        _running = false;
    }

    public override void Stop() => _stopping = true;

    private void NextPattern()
    {
        _running = !_stopping;
        if (_stopping || _port is null)
            return;
        _seed++;
        PonyPattern.Fill(_port.Regions[0].Memory.Span(0, _size), _seed);
        Start(PonyCommand.FromMemory, source: _port.Regions[0].Iova, destination: 0);
    }

    private void Start(PonyCommand command, ulong source, ulong destination)
    {
        _command = command;
        _port!.Write(0, PonyRegisters.Source, 8, source);
        _port.Write(0, PonyRegisters.Destination, 8, destination);
        _port.Write(0, PonyRegisters.Length, 8, (ulong)_size);
        _port.Write(0, PonyRegisters.Command, 4, (ulong)command);
    }

    private void Ended(ulong status)
    {
        if (_port is null)
            return;
        if (status != PonyRegisters.StatusDone)
        {
            Problem = $"the DMA engine failed: {_command} ended with status {status}";
            NextPattern();
        }
        else if (_command == PonyCommand.FromMemory)
        {
            Start(PonyCommand.ToMemory, source: 0, destination: _port.Regions[1].Iova);
        }
        else
        {
            // Both ways, of which the comparison is about the sum.
            Dma = Dma.With(2 * _size, PonyPattern.Matches(_port.Regions[1].Memory.Span(0, _size), _seed));
            NextPattern();
        }
    }
}
