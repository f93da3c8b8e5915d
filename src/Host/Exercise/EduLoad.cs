using Riser.Actors;
using Riser.Actors.Devices;
using Riser.Actors.Interrupts;

namespace Riser.Host.Exercise;

/// <summary>
/// QEMU's educational device (docs/specs/edu.rst there): in turn the backend's trigger, the device's own interrupt, and its DMA
/// engine there and back. Two interrupts of one MSI vector that come too close together are one, so each step
/// waits for its interrupts before the next begins; a DMA takes the device 100 ms.
/// </summary>
internal sealed class EduLoad : Exercise
{
    public const ushort VendorId = 0x1234;
    public const ushort ProductId = 0x11e8;

    private const ulong Raise = 0x60, Acknowledge = 0x64; // 4 bytes each
    private const ulong DmaSource = 0x80, DmaDestination = 0x88, DmaCount = 0x90, DmaCommand = 0x98; // 8 bytes each
    private const ulong Buffer = 0x40000; // as the DMA engine sees it; 4096 bytes
    private const ulong Run = 1, ToMemory = 2, Interrupt = 4;
    private const ulong RaisedBit = 1, DmaBit = 0x100;
    private const int Block = 2048; // bytes: two in a page
    private const int Burst = 16;

    private IPort? _port;
    private Step _step;
    private bool _acknowledged; // the command that causes the interrupts has been carried out
    private long _expected;
    private byte _seed;
    private bool _running;
    private bool _stopping;

    private enum Step
    {
        Trigger,
        Raise,
        ToDevice,
        ToMemory,
    }

    // The engine's default mask is 28 bits: what lies above cannot be reached.
    public override IReadOnlyList<RegionWish> Regions => [new(4096, Iova: 0x100000)];

    public override bool IsIdle => !_running;

    public override void Begin(IPort port)
    {
        _port = port;
        Start(Step.Trigger);
    }

    public override void Interrupted(int vector, long count)
    {
        _expected -= count;
        Advance();
    }

    public override void Answered(object answer)
    {
        switch (answer)
        {
            case InterruptProtocol.Triggered done:
                Caused(done.Times);
                break;
            case DeviceProtocol.BarWritten { Offset: Raise or DmaCommand }:
                Caused(1);
                break;
            case InterruptProtocol.SessionLost { Command: InterruptProtocol.Trigger trigger }:
                InDoubt += trigger.Times;
                break;
            case DeviceProtocol.SessionLost { Command: DeviceProtocol.WriteBar { Offset: Raise or DmaCommand } }:
                InDoubt++;
                break;
            case Refused { Command: InterruptProtocol.Trigger or DeviceProtocol.WriteBar } refused:
                Problem = $"{_step} failed: {refused.Why} ({refused.Errno})";
                _running = false;
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

    private void Caused(int times)
    {
        Triggered += times;
        _expected += times;
        _acknowledged = true;
        Advance();
    }

    private void Advance()
    {
        if (_port is null || !_running || !_acknowledged || _expected > 0)
            return;
        switch (_step)
        {
            case Step.Raise:
                _port.Write(0, Acknowledge, 4, RaisedBit);
                break;
            case Step.ToDevice:
                _port.Write(0, Acknowledge, 4, DmaBit);
                break;
            case Step.ToMemory:
                _port.Write(0, Acknowledge, 4, DmaBit);
                var memory = _port.Regions[0].Memory;
                Dma = Dma.With(2 * Block, memory.Span(0, Block).SequenceEqual(memory.Span(Block, Block))); // there and back
                break;
            default:
                break;
        }
        Start((Step)(((int)_step + 1) % 4));
    }

    private void Start(Step step)
    {
        _running = !_stopping || step == Step.ToMemory; // a block that is in the device comes back
        if (!_running || _port is null)
            return;
        (_step, _acknowledged, _expected) = (step, false, 0);
        ulong iova = _port.Regions[0].Iova;
        switch (step)
        {
            case Step.Trigger: _port.Trigger(0, Burst); break;
            case Step.Raise: _port.Write(0, Raise, 4, RaisedBit); break;
            case Step.ToDevice:
                Prepare(_port.Regions[0].Memory.Span(0, 2 * Block));
                Move(iova, Buffer, Run | Interrupt);
                break;
            default: Move(Buffer, iova + Block, Run | ToMemory | Interrupt); break;
        }
    }

    private void Prepare(Span<byte> memory)
    {
        memory.Clear();
        _seed++;
        for (int i = 0; i < Block; i++)
            memory[i] = (byte)((i * 7) + _seed);
    }

    private void Move(ulong source, ulong destination, ulong command)
    {
        _port!.Write(0, DmaSource, 8, source);
        _port.Write(0, DmaDestination, 8, destination);
        _port.Write(0, DmaCount, 8, Block);
        _port.Write(0, DmaCommand, 8, command);
    }
}
