using Riser.Actors.Backends;

namespace Riser.Host.Exercise;

/// <summary>Chooses exercises for a device by its vendor and device id.</summary>
internal static class Exercises
{
    private static readonly (ushort Vendor, ushort Product) s_pony = (0x1209, 0x9057);

    /// <param name="device">Which device.</param>
    /// <param name="load">Load it; false: only a pony makes load, of its own.</param>
    public static IReadOnlyList<Exercise> For(DeviceDescription device, bool load)
    {
        var id = (device.VendorId, device.ProductId);
        if (id == s_pony)
            return load ? [new TriggerLoad(), new PonyCopies()] : [new PonyRing()];
        if (!load)
            return [];
        return id == (EduLoad.VendorId, EduLoad.ProductId) ? [new EduLoad()] : [new TriggerLoad()];
    }
}
