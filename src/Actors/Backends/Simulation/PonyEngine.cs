namespace Riser.Actors.Backends.Simulation;

/// <summary>The DMA engine of a pony: one command at a time, in chunks on the clock, so that a long one holds up nobody.</summary>
internal sealed class PonyEngine(ISimulatedSlot slot, ulong memorySize)
{
    private const int Chunk = 65536;

    // One for all ponies of a thread: chunks run on the backend's clock.
    [ThreadStatic]
    private static byte[]? _buffer;

    private PonyCommand _command;
    private ulong _source, _destination, _length;
    private long _run; // tells a chunk that was scheduled before a stop or reset from one of now

    public ulong Source { get; set; }

    public ulong Destination { get; set; }

    public ulong Length { get; set; }

    public ulong Pattern { get; set; }

    public uint CompletionVector { get; set; } = uint.MaxValue;

    public uint Status { get; private set; }

    public PonyError Error { get; private set; }

    public ulong Checksum { get; private set; }

    public ulong Moved { get; private set; }

    public ulong FailedAt { get; private set; }

    public ulong Commands { get; private set; }

    public void Reset()
    {
        _run++;
        (Source, Destination, Length, Pattern, CompletionVector) = (0, 0, 0, 0, uint.MaxValue);
        (Status, Error, Checksum, Moved, FailedAt, Commands) = (0, PonyError.None, 0, 0, 0, 0);
    }

    public void ClearStatus(uint bits) => Status &= ~(bits & (PonyRegisters.StatusDone | PonyRegisters.StatusError));

    public void Start(PonyCommand command)
    {
        bool busy = (Status & PonyRegisters.StatusBusy) != 0;
        if (command == PonyCommand.Stop)
        {
            if (busy)
                End(PonyError.Stopped);
            return;
        }

        if (busy)
            return;
        (_command, _source, _destination, _length) = (command, Source, Destination, Length);
        (Status, Error, Moved, Checksum) = (PonyRegisters.StatusBusy, PonyError.None, 0, PonyPattern.ChecksumStart);
        if (!Fits())
            End(PonyError.BadCommand);
        else
            Next(++_run);
    }

    private void Next(long run) => slot.Schedule(TimeSpan.Zero, () =>
    {
        if (run != _run || (Status & PonyRegisters.StatusBusy) == 0)
            return;
        if (!slot.IsBusMaster)
            End(PonyError.NotBusMaster);
        else if (!MoveChunk())
            End(PonyError.Refused);
        else if (Moved == _length)
            End(PonyError.None);
        else
            Next(run);
    });

    private bool MoveChunk()
    {
        int size = (int)Math.Min(Chunk, _length - Moved);
        var bytes = (_buffer ??= new byte[Chunk]).AsSpan(0, size);
        if (_command == PonyCommand.Fill)
            PonyPattern.Fill(bytes, Pattern, Moved);
        else if (_command == PonyCommand.ToMemory)
            slot.ReadShared(2, _source + Moved, bytes);
        else if (!slot.TryRead(_source + Moved, bytes))
            return false;
        if (_command == PonyCommand.FromMemory)
            slot.WriteShared(2, _destination + Moved, bytes);
        else if (_command != PonyCommand.Sum && !slot.TryWrite(_destination + Moved, bytes))
            return false;
        Checksum = PonyPattern.Checksum(bytes, Checksum);
        Moved += (ulong)size;
        return true;
    }

    private void End(PonyError error)
    {
        _run++;
        Error = error;
        Status = error == PonyError.None ? PonyRegisters.StatusDone : PonyRegisters.StatusError;
        if (error == PonyError.None)
            Commands++;
        else
            FailedAt = Moved;
        if (CompletionVector != uint.MaxValue)
            slot.Raise((int)CompletionVector);
    }

    private bool Fits() => _length > 0 && _command switch
    {
        PonyCommand.Copy or PonyCommand.Fill or PonyCommand.Sum => true,
        PonyCommand.ToMemory => _length <= memorySize && _source <= memorySize - _length,
        PonyCommand.FromMemory => _length <= memorySize && _destination <= memorySize - _length,
        _ => false,
    };
}
