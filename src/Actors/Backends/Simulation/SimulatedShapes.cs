namespace Riser.Actors.Backends.Simulation;

/// <summary>What a session says of a shape.</summary>
internal static class SimulatedShapes
{
    public static SessionInfo Describe(this SimulatedShape shape, IommuInfo iommu) =>
        new([.. Bars(shape)], [.. Vectors(shape)], iommu, ConfigSize: 4096, CanReset: true, CanTrigger: true);

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
