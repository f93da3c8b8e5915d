namespace Riser.Actors.Backends.Simulation;

/// <summary>The built-in device: registers as <see cref="PonyRegisters"/> says, a DMA engine, and load.</summary>
internal sealed class Pony : ISimulatedModel
{
    private const ushort VendorId = 0x1209; // pid.codes: open hardware and experiments
    private const ushort ProductId = 0x9057;
    private const uint ClassCode = 0x088000; // system peripheral, other

    private readonly ISimulatedSlot _slot;
    private readonly PonyOptions _options;
    private readonly PonyEngine _engine;
    private readonly PonyLoad _load;
    private uint _scratch;

    public Pony(ISimulatedSlot slot, PonyOptions options)
    {
        _slot = slot;
        _options = options;
        _engine = new(slot, options.MemorySize);
        _load = new(slot, options);
        Shape = new()
        {
            VendorId = VendorId,
            ProductId = ProductId,
            ClassCode = ClassCode,
            MsixVectors = options.Vectors,
            MsiVectors = options.MsiVectors,
            HasIntx = true,
            Bars = [new(0, 4096, Shared: false), new(2, options.MemorySize, Shared: true)],
        };
    }

    public SimulatedShape Shape { get; }

    public void Reset()
    {
        _scratch = 0;
        _engine.Reset();
        _load.Reset();
    }

    public void StateChanged() => _load.Update();

    public ulong ReadBar(int bar, ulong offset, int width)
    {
        if (width == 8)
            return Read(offset) | (Read(offset + 4) << 32);
        return Read(offset & ~3UL) >> (int)(8 * (offset & 3));
    }

    public void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (width < 4)
            return;
        Write(offset, (uint)value);
        if (width == 8)
            Write(offset + 4, (uint)(value >> 32));
    }

    private ulong Read(ulong offset) => offset switch
    {
        PonyRegisters.Id => PonyRegisters.IdValue,
        PonyRegisters.Version => 1,
        PonyRegisters.Mode => (uint)_options.Mode,
        PonyRegisters.Vectors => (uint)_options.Vectors,
        PonyRegisters.Control => _load.Enabled ? 1u : 0,
        PonyRegisters.Rate => (uint)_load.Rate,
        PonyRegisters.Status => _engine.Status,
        PonyRegisters.Error => (uint)_engine.Error,
        PonyRegisters.CompletionVector => _engine.CompletionVector,
        PonyRegisters.Scratch => _scratch,
        PonyRegisters.RingFrames => _load.RingFrames,
        PonyRegisters.RingFrameSize => _load.RingFrameSize,
        _ => (uint)(Wide(offset & ~7UL) >> (int)(8 * (offset & 4))),
    };

    private ulong Wide(ulong offset) => offset switch
    {
        PonyRegisters.Source => _engine.Source,
        PonyRegisters.Destination => _engine.Destination,
        PonyRegisters.Length => _engine.Length,
        PonyRegisters.Pattern => _engine.Pattern,
        PonyRegisters.Checksum => _engine.Checksum,
        PonyRegisters.Moved => _engine.Moved,
        PonyRegisters.FailedAt => _engine.FailedAt,
        PonyRegisters.LoadRaised => _load.Raised,
        PonyRegisters.LoadMoved => _load.Moved,
        PonyRegisters.LoadErrors => _load.Errors,
        PonyRegisters.Commands => _engine.Commands,
        PonyRegisters.RingBase => _load.RingBase,
        PonyRegisters.RingProduced => _load.Produced,
        PonyRegisters.RingConsumed => _load.Consumed,
        _ => 0,
    };

    private void Write(ulong offset, uint value)
    {
        switch (offset)
        {
            case PonyRegisters.Control: _load.Set((value & 1) != 0, _load.Rate); break;
            case PonyRegisters.Rate: _load.Set(_load.Enabled, (int)Math.Min(value, int.MaxValue)); break;
            case PonyRegisters.Status: _engine.ClearStatus(value); break;
            case PonyRegisters.CompletionVector: _engine.CompletionVector = value; break;
            case PonyRegisters.Command: _engine.Start((PonyCommand)value); break;
            case PonyRegisters.Doorbell: _slot.Raise((int)Math.Min(value, int.MaxValue)); break;
            case PonyRegisters.Scratch: _scratch = value; break;
            case PonyRegisters.Mute: _load.Mute((int)(value & 0xfff), (value & 0x8000_0000) != 0); break;
            case PonyRegisters.RingFrames: _load.RingFrames = value; break;
            case PonyRegisters.RingFrameSize: _load.RingFrameSize = value; break;
            default: WriteHalf(offset & ~7UL, (int)(8 * (offset & 4)), value); break;
        }
    }

    private void WriteHalf(ulong register, int shift, uint value)
    {
        ulong all = (Wide(register) & ~(0xffff_ffffUL << shift)) | ((ulong)value << shift);
        switch (register)
        {
            case PonyRegisters.Source: _engine.Source = all; break;
            case PonyRegisters.Destination: _engine.Destination = all; break;
            case PonyRegisters.Length: _engine.Length = all; break;
            case PonyRegisters.Pattern: _engine.Pattern = all; break;
            case PonyRegisters.RingBase: _load.RingBase = all; break;
            case PonyRegisters.RingConsumed: _load.Consumed = all; break;
            default: break;
        }
    }
}
