namespace Riser.Actors.Backends.Simulation;

/// <summary>The built-in device.</summary>
internal sealed class Pony(ISimulatedSlot slot, PonyOptions options) : ISimulatedModel
{
    private uint _scratch;

    public SimulatedShape Shape { get; } = new()
    {
        VendorId = 0x1d0f,
        ProductId = 0x9057,
        MsixVectors = options.Vectors,
        MsiVectors = options.MsiVectors,
        HasIntx = true,
        Bars = [new(0, 4096, Shared: false), new(2, options.MemorySize, Shared: true)],
    };

    public void Reset() => _scratch = 0;

    public ulong ReadBar(int bar, ulong offset, int width) => offset == 0x64 ? _scratch : 0;

    public void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (offset == 0x60)
            slot.Raise((int)value);
        if (offset == 0x64)
            _scratch = (uint)value;
    }
}
