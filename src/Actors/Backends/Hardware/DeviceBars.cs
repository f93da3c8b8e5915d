using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Hardware;

/// <summary>One BAR as a device file shows it.</summary>
/// <param name="Index">0 to 5, or 6 for the expansion ROM.</param>
/// <param name="Offset">Where it begins in the device file.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Readable">Reads are allowed.</param>
/// <param name="Writable">Writes are allowed.</param>
/// <param name="Areas">What of it can be mapped; null: the whole.</param>
internal sealed record DeviceWindow(int Index, ulong Offset, ulong Size, bool Readable, bool Writable, IReadOnlyList<(ulong Offset, ulong Size)>? Areas);

/// <summary>The BARs of an opened device: mapped where the kernel allows it, read and written through the device file elsewhere.</summary>
internal sealed class DeviceBars : IBarTrap
{
    private readonly IDeviceWindows _device;
    private readonly DeviceConfigSpace _config;
    private readonly string _address;
    private readonly ulong[] _offsets = new ulong[7]; // in the device file, by BAR; the last is the expansion ROM
    private readonly SortedDictionary<int, Bar> _bars = [];

    public DeviceBars(IDeviceWindows device, DeviceConfigSpace config, string address, IEnumerable<DeviceWindow> windows)
    {
        (_device, _config, _address) = (device, config, address);
        try
        {
            foreach (var window in windows)
                Add(window);
        }
        catch
        {
            End();
            throw;
        }
    }

    public IReadOnlyList<BarInfo> Info => [.. _bars.Values.Select(b => b.Info)];

    public Bar this[int index] => _bars.TryGetValue(index, out var bar) ? bar : throw new PciException(
        Errno.EINVAL,
        $"{_address} has no BAR {index}",
        $"It has {(_bars.Count == 0 ? "none" : string.Join(", ", _bars.Keys))}.");

    /// <summary>Unmaps the device; also what keeps the device file open although its descriptor is closed.</summary>
    public void End() => End([.. _bars.Values]);

    // All of them, whatever becomes of one.
    private static void End(ReadOnlySpan<Bar> bars)
    {
        if (bars.IsEmpty)
            return;
        try
        {
            bars[0].End();
        }
        finally
        {
            End(bars[1..]);
        }
    }

    public ulong ReadBar(int index, ulong offset, int width)
    {
        ulong value = _config.Access(() => _device.Read(_offsets[index] + offset, width));
        return width >= 4 && value == ulong.MaxValue >> (64 - (width * 8)) && _config.IsGone() ? throw _config.Gone(Errno.ENODEV) : value;
    }

    public void WriteBar(int index, ulong offset, int width, ulong value) => _config.Access(() => _device.Write(_offsets[index] + offset, width, value));

    private void Add(DeviceWindow window)
    {
        var (index, offset, size, readable, writable, wanted) = window;
        _offsets[index] = offset;
        var areas = readable ? Mappable(wanted, size) : [];
        var info = new BarInfo(index, size, readable, writable, [.. areas.Select(a => (a.Offset, Math.Min(a.Size, size - a.Offset)))]);
        _bars[index] = areas.Count == 0 ? new(info, mapping: null, this) : new(info, Map(offset, size, areas, writable), this, () => Map(offset, size, areas, writable));
    }

    /// <summary>Whole pages inside the region; a page that only part of it may be mapped of goes the slow way.</summary>
    internal static IReadOnlyList<(ulong Offset, ulong Size)> Mappable(IReadOnlyList<(ulong Offset, ulong Size)>? areas, ulong size)
    {
        ulong page = (ulong)Environment.SystemPageSize, end = (size + page - 1) & ~(page - 1);
        List<(ulong Offset, ulong Size)> pages = [];
        foreach (var (offset, length) in areas ?? [(0, end)])
        {
            ulong last = length > end - Math.Min(offset, end) ? end : offset + length;
            ulong from = (offset + page - 1) & ~(page - 1), to = last == size ? end : last & ~(page - 1);
            if (offset < end && from < to)
                pages.Add((from, to - from));
        }

        return pages;
    }

    // The whole range is taken first, so that BAR offsets are offsets of one address and the gaps belong to nobody else.
    private MemoryMapping Map(ulong start, ulong length, IReadOnlyList<(ulong Offset, ulong Size)> areas, bool writable)
    {
        nuint page = (nuint)Environment.SystemPageSize;
        var mapping = MemoryMapping.Create(((nuint)length + page - 1) & ~(page - 1), LibC.PROT_NONE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS | LibC.MAP_NORESERVE);
        try
        {
            foreach (var (offset, size) in areas)
                _device.MapInto(mapping, offset, size, writable, start + offset);
            return mapping;
        }
        catch
        {
            mapping.Dispose();
            throw;
        }
    }
}
