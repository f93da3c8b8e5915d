namespace Riser.Actors.Backends.Simulation;

/// <summary>BAR 4 of a function with MSI-X: the table, then the pending bits (PCI Express 7.7.2). Read-only, as for every user of a kernel that owns the vectors.</summary>
internal static class MsixTable
{
    public const int Bar = 4;

    private const int EntrySize = 16;

    /// <summary>Where the pending bits begin, in bytes: the first page after the table.</summary>
    public static ulong PendingOffset(int vectors) => ((ulong)(vectors * EntrySize) + 4095) & ~4095UL;

    /// <summary>Bytes of the BAR, a power of two.</summary>
    public static ulong Size(int vectors) => System.Numerics.BitOperations.RoundUpToPowerOf2(PendingOffset(vectors) + 4096);

    public static ulong Read(SimulatedVectors state, int vectors, ulong offset, int width)
    {
        ulong value = 0;
        for (int i = 0; i < width; i++)
            value |= (ulong)ReadByte(state, vectors, offset + (ulong)i) << (8 * i);
        return value;
    }

    private static byte ReadByte(SimulatedVectors state, int vectors, ulong offset)
    {
        ulong pending = PendingOffset(vectors);
        if (offset >= pending)
            return PendingByte(state, vectors, (int)(offset - pending));
        int vector = (int)(offset / EntrySize);
        if (vector >= vectors)
            return 0;
        uint dword = (offset % EntrySize / 4) switch
        {
            0 => 0xfee00000,
            1 => 0,
            2 => (uint)vector,
            _ => state.Armed != VectorKind.MsiX || state.IsMasked(vector) ? 1u : 0,
        };
        return (byte)(dword >> (int)(8 * (offset % 4)));
    }

    private static byte PendingByte(SimulatedVectors state, int vectors, int index)
    {
        int bits = 0;
        for (int i = 0; i < 8 && (index * 8) + i < vectors; i++)
            bits |= state.IsPending((index * 8) + i) ? 1 << i : 0;
        return (byte)bits;
    }
}
