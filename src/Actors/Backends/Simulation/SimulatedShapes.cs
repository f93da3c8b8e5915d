namespace Riser.Actors.Backends.Simulation;

/// <summary>What a session says of a shape, and whether a function can have it.</summary>
internal static class SimulatedShapes
{
    public static SessionInfo Describe(this SimulatedShape shape, IommuInfo iommu) =>
        new([.. Bars(shape)], [.. Vectors(shape)], iommu, ConfigSize: 4096, CanReset: true, CanTrigger: true);

    /// <exception cref="ArgumentException">No PCI function looks like this; the message says why.</exception>
    public static void Check(this SimulatedShape shape)
    {
        if (shape.MsixVectors is < 0 or > 2048)
            throw new ArgumentException($"{shape.MsixVectors} MSI-X vectors; a function has 0 to 2048.", nameof(shape));
        if (shape.MsiVectors is < 0 or > 32 || (shape.MsiVectors & (shape.MsiVectors - 1)) != 0)
            throw new ArgumentException($"{shape.MsiVectors} MSI vectors; a function has 0, 1, 2, 4, 8, 16 or 32.", nameof(shape));
        bool[] taken = new bool[6];
        taken[MsixTable.Bar] = shape.MsixVectors > 0;
        foreach (var bar in shape.Bars)
        {
            if (bar.Index is < 0 or > 5 || taken[bar.Index])
                throw new ArgumentException($"BAR {bar.Index} does not exist or is taken; BAR {MsixTable.Bar} belongs to MSI-X where there is MSI-X.", nameof(shape));
            if (bar.Size < (bar.Shared ? 4096u : 16u) || (bar.Size & (bar.Size - 1)) != 0 || bar.Size > 1 << 30)
                throw new ArgumentException($"BAR {bar.Index} of {bar.Size} bytes; use a power of two from 16 (shared: 4096) to 1 GiB.", nameof(shape));
            taken[bar.Index] = true;
        }
    }

    private static IEnumerable<BarInfo> Bars(SimulatedShape shape)
    {
        foreach (var bar in shape.Bars)
            yield return new(bar.Index, bar.Size, Readable: true, Writable: true, bar.Shared ? [(0, bar.Size)] : []);
        if (shape.MsixVectors > 0)
            yield return new(MsixTable.Bar, MsixTable.Size(shape.MsixVectors), Readable: true, Writable: false, []);
    }

    private static IEnumerable<VectorInfo> Vectors(SimulatedShape shape)
    {
        if (shape.HasIntx)
            yield return new(VectorKind.IntX, 1, CanMask: true, CanGrow: false, AutoMasked: true);
        if (shape.MsiVectors > 0)
            yield return new(VectorKind.Msi, shape.MsiVectors, CanMask: false, CanGrow: true, AutoMasked: false);
        if (shape.MsixVectors > 0)
            yield return new(VectorKind.MsiX, shape.MsixVectors, CanMask: true, CanGrow: true, AutoMasked: false);
    }
}
