namespace Riser.Actors.Backends.Simulation;

/// <summary>What a simulated pony is like; the keys of <c>riser.backends.sim.device</c>.</summary>
public sealed record PonyOptions
{
    /// <summary>Which load it makes.</summary>
    public PonyMode Mode { get; init; }

    /// <summary>MSI-X vectors, 0 to 2048.</summary>
    public int Vectors { get; init; } = 64;

    /// <summary>MSI vectors: 0, 1, 2, 4, 8, 16 or 32.</summary>
    public int MsiVectors { get; init; } = 32;

    /// <summary>Interrupts per second that it makes by itself; 0 = only on demand.</summary>
    public int Rate { get; init; }

    /// <summary>Where its randomness and its patterns begin; the same seed gives the same sequence.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Glitter: the share of its steps, 0 to 1, that are faults: stray writes to an IOVA far from what drivers map.</summary>
    public double Faults { get; init; }

    /// <summary>Bytes of memory in BAR 2, a power of two from 4 KiB.</summary>
    public ulong MemorySize { get; init; } = 65536;

    /// <summary>Its IOMMU group: ponies of one group lose their sessions together. Null: a group of its own.</summary>
    public string? Group { get; init; }
}

/// <summary>The two ways in which a pony loads a runtime.</summary>
public enum PonyMode
{
    /// <summary>Orderly: every vector in turn, patterned data that can be checked.</summary>
    Rainbow,

    /// <summary>Seeded random scatter: vectors, sizes, storms, and faults where asked for.</summary>
    Glitter,
}
