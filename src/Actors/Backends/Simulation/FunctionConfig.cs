namespace Riser.Actors.Backends.Simulation;

/// <summary>The configuration space of a simulated function.</summary>
internal sealed class FunctionConfig(SimulatedShape shape, SimulatedFunction function)
{
    private readonly byte[] _bytes = Build(shape);

    public bool IsBusMaster => (_bytes[4] & 4) != 0;

    public bool IsMemoryEnabled => (_bytes[4] & 2) != 0;

    public ulong Read(int offset, int width)
    {
        ulong value = 0;
        for (int i = 0; i < width; i++)
            value |= (ulong)_bytes[offset + i] << (8 * i);
        return value;
    }

    public void Write(int offset, int width, ulong value)
    {
        if (offset <= 4 && offset + width > 4)
            _bytes[4] = (byte)(value >> (8 * (4 - offset)));
        function.StateChanged();
    }

    /// <summary>Opening turns memory decoding and bus mastering on.</summary>
    public void Open() => SetBusMaster(true);

    public void SetBusMaster(bool enabled) => _bytes[4] = (byte)(enabled ? _bytes[4] | 6 : _bytes[4] & ~4);

    public void Reset() => _bytes[6] = 0;

    private static byte[] Build(SimulatedShape shape)
    {
        byte[] bytes = new byte[4096];
        BitConverter.TryWriteBytes(bytes.AsSpan(0), shape.VendorId);
        BitConverter.TryWriteBytes(bytes.AsSpan(2), shape.ProductId);
        BitConverter.TryWriteBytes(bytes.AsSpan(8), shape.ClassCode << 8);
        return bytes;
    }
}
