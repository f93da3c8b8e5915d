namespace Riser.Actors.Backends.Simulation;

/// <summary>
/// What a simulated device does: the one interface by which device models plug in. All calls come under the device's
/// lock, one at a time, and must not block. A plugged-in device is made anew each time it is plugged in.
/// </summary>
public interface ISimulatedModel
{
    /// <summary>What the device looks like; does not change.</summary>
    SimulatedShape Shape { get; }

    /// <summary>Goes to the state after power-on; called once before anything else, and for each reset.</summary>
    void Reset();

    /// <summary>A register is read. Only for BARs that are not <see cref="SimulatedBar.Shared"/>; in bounds and aligned.</summary>
    /// <param name="bar">0 to 5.</param>
    /// <param name="offset">Bytes, a multiple of <paramref name="width"/>.</param>
    /// <param name="width">1, 2, 4 or 8 bytes.</param>
    ulong ReadBar(int bar, ulong offset, int width);

    /// <summary>A register is written.</summary>
    /// <param name="bar">0 to 5.</param>
    /// <param name="offset">Bytes, a multiple of <paramref name="width"/>.</param>
    /// <param name="width">1, 2, 4 or 8 bytes.</param>
    /// <param name="value">The low <paramref name="width"/> bytes count.</param>
    void WriteBar(int bar, ulong offset, int width, ulong value);

    /// <summary>Bus mastering was turned on or off, or vectors were armed or disarmed: load may begin or must end.</summary>
    void StateChanged()
    {
    }
}

/// <summary>The slot that a model sits in: its way to memory, to interrupts and to time. Call it from the model's own calls only.</summary>
public interface ISimulatedSlot
{
    /// <summary>Whether the driver allows DMA and MSI.</summary>
    bool IsBusMaster { get; }

    /// <summary>How many vectors the armed kind of interrupt has; 0 when none is armed.</summary>
    int ArmedVectors { get; }

    /// <summary>Reads memory through the IOMMU. False: refused (a logged fault) or bus mastering is off; <paramref name="into"/> may be partly filled.</summary>
    bool TryRead(ulong iova, Span<byte> into);

    /// <summary>Writes memory through the IOMMU. False: refused (a logged fault) or bus mastering is off; part may have been written.</summary>
    bool TryWrite(ulong iova, ReadOnlySpan<byte> from);

    /// <summary>Interrupts. Returns how often a listener was signalled: 0 when none is armed, or a mask holds it back.</summary>
    int Raise(int vector, int times = 1);

    /// <summary>Reads a shared BAR, which the driver reaches without a call.</summary>
    void ReadShared(int bar, ulong offset, Span<byte> into);

    /// <summary>Writes a shared BAR.</summary>
    void WriteShared(int bar, ulong offset, ReadOnlySpan<byte> from);

    /// <summary>Runs <paramref name="work"/> later, on the backend's one clock thread and under the device's lock; never after the device is removed.</summary>
    void Schedule(TimeSpan delay, Action work);
}

/// <summary>What a simulated function looks like from outside.</summary>
public sealed record SimulatedShape
{
    /// <summary>Configuration space offset 0.</summary>
    public required ushort VendorId { get; init; }

    /// <summary>Configuration space offset 2.</summary>
    public required ushort ProductId { get; init; }

    /// <summary>24 bits: base class, subclass, programming interface.</summary>
    public uint ClassCode { get; init; } = 0xff0000;

    /// <summary>MSI-X vectors, 0 to 2048; their table takes BAR 4.</summary>
    public int MsixVectors { get; init; }

    /// <summary>MSI vectors: 0, 1, 2, 4, 8, 16 or 32.</summary>
    public int MsiVectors { get; init; }

    /// <summary>Whether there is an INTx pin.</summary>
    public bool HasIntx { get; init; }

    /// <summary>Register windows; BAR 4 belongs to MSI-X where there is MSI-X.</summary>
    public IReadOnlyList<SimulatedBar> Bars { get; init; } = [];
}

/// <summary>One register window of a simulated function.</summary>
/// <param name="Index">0 to 5.</param>
/// <param name="Size">Bytes: a power of two, and for a shared one at least a page.</param>
/// <param name="Shared">True: plain memory that the driver maps; it stays mapped when memory decoding is turned off. False: each access is a call of the model.</param>
public sealed record SimulatedBar(int Index, ulong Size, bool Shared);
