using Newtonsoft.Json;

namespace Riser.Actors.Backends;

/// <summary>What a session found when it opened its device.</summary>
/// <param name="Bars">BARs that exist, by index; an index that is not here is not implemented.</param>
/// <param name="Vectors">Interrupt kinds that the device has.</param>
/// <param name="Iommu">What the device's DMA address space is like.</param>
/// <param name="ConfigSize">Bytes of configuration space: 256 or 4096.</param>
/// <param name="CanReset">Whether the function can be reset.</param>
/// <param name="CanTrigger">Whether vectors can be signalled from software.</param>
public sealed record SessionInfo(
    [property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<BarInfo> Bars,
    [property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<VectorInfo> Vectors,
    IommuInfo Iommu,
    int ConfigSize,
    bool CanReset,
    bool CanTrigger);

/// <summary>One BAR.</summary>
/// <param name="Index">0 to 5, or 6 for the expansion ROM.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Readable">Reads are allowed.</param>
/// <param name="Writable">Writes are allowed.</param>
/// <param name="Mapped">Ranges that are reached by one instruction; the rest goes through the backend call by call.</param>
public sealed record BarInfo(int Index, ulong Size, bool Readable, bool Writable, [property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<(ulong Offset, ulong Size)> Mapped);

/// <summary>The kinds of interrupt a PCI function can have; only one is armed at a time.</summary>
public enum VectorKind
{
    /// <summary>The wire; level triggered, masked by the kernel after each interrupt until it is unmasked.</summary>
    IntX,

    /// <summary>Message signalled interrupts, 1 to 32.</summary>
    Msi,

    /// <summary>Extended message signalled interrupts, 1 to 2048.</summary>
    MsiX,
}

/// <summary>One kind of interrupt of a device.</summary>
/// <param name="Kind">Which.</param>
/// <param name="Count">How many vectors there are.</param>
/// <param name="CanMask">Whether single vectors can be masked in hardware.</param>
/// <param name="CanGrow">Whether vectors can be added while others are armed without touching those.</param>
/// <param name="AutoMasked">Whether the kernel masks the vector after each interrupt, so that it must be unmasked to go on.</param>
public sealed record VectorInfo(VectorKind Kind, int Count, bool CanMask, bool CanGrow, bool AutoMasked);

/// <summary>A device's DMA address space.</summary>
/// <param name="Present">False: there is no IOMMU, and IOVAs are bus addresses (<see cref="GivesAddresses"/>).</param>
/// <param name="PageSizes">Bit n set: pages of 2^n bytes. The lowest bit is the alignment of every mapping.</param>
/// <param name="Aperture">Ranges of IOVAs that can be mapped; the gaps are reserved. Empty where they are not ours to choose.</param>
/// <param name="MaxMappings">How many pieces can be mapped at once; 0: there is no DMA.</param>
/// <param name="Notifies">Whether the backend itself unmaps memory that goes away, and tells; see <see cref="IPciSession.TakeInvalidations"/>.</param>
public sealed record IommuInfo(bool Present, ulong PageSizes, [property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<IovaRange> Aperture, int MaxMappings, bool Notifies = false)
{
    /// <summary>Bytes to which IOVAs, addresses and sizes must be aligned.</summary>
    public ulong Alignment => PageSizes & (~PageSizes + 1);

    /// <summary>
    /// There is no IOMMU, and the session says where the device sees a piece: at the bus address where its memory lies, which must be in one run. The
    /// device reaches all memory, mapped or not: mapping pins, and nothing that is unmapped is out of its reach.
    /// </summary>
    public bool GivesAddresses => !Present && MaxMappings > 0;
}
