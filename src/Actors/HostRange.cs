namespace Riser.Actors;

/// <summary>Bytes [Address, Address + Size) of this process's memory, as the kernel is told of them.</summary>
/// <param name="Address">Virtual address, page aligned.</param>
/// <param name="Size">Bytes, a multiple of the page size.</param>
public readonly record struct HostRange(ulong Address, ulong Size)
{
    /// <summary>Whether the two share a byte.</summary>
    public bool Overlaps(HostRange other) => Address < other.Address + other.Size && other.Address < Address + Size;

    /// <inheritdoc/>
    public override string ToString() => $"0x{Address:x}+0x{Size:x}";
}
