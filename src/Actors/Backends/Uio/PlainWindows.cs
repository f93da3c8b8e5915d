using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Uio;

/// <summary>
/// Registers and configuration space of a function as sysfs shows them, for uio_pci_generic. The kernel passes every write of
/// configuration space on to the device; what would move its BARs under the feet of everyone is kept here: they can be sized, and
/// never moved.
/// </summary>
internal sealed class PlainWindows : IDeviceWindows
{
    public const int Shift = 40; // BAR n begins at (n + 1) << Shift, configuration space at ConfigOffset
    public const ulong ConfigOffset = 8UL << Shift;

    private const int Status = 0x06, Header = 0x40; // PCI 3.0, 6.1; without CAP_SYS_ADMIN sysfs ends behind the header
    private const ulong HasCapabilities = 1 << 4;

    private readonly SysfsFile _config;
    private readonly Dictionary<int, SysfsFile> _bars = [];
    private readonly Dictionary<int, (uint Value, uint Writable)> _registers = []; // of BARs, by offset
    private readonly bool _hidden;

    /// <param name="folder">The function in sysfs.</param>
    /// <param name="nodes">Opens files.</param>
    /// <exception cref="NativeException">As open(2).</exception>
    public PlainWindows(string folder, INodeOpener nodes)
    {
        _config = new(nodes.Open(Path.Combine(folder, "config")));
        try
        {
            Size = (int)new FileInfo(Path.Combine(folder, "config")).Length;
            _hidden = !CanRead(Header);
            Bars = Resources(File.ReadAllLines(Path.Combine(folder, "resource")));
            foreach (var bar in Bars)
                _bars[bar.Index] = new(nodes.Open(Path.Combine(folder, $"resource{bar.Index}")));
            Shadow();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Bytes of configuration space: 256 or 4096.</summary>
    public int Size { get; }

    public IReadOnlyList<PlainBar> Bars { get; } = [];

    /// <summary>The text of a function's <c>resource</c>: first address, last address and flags of each BAR (linux/ioport.h).</summary>
    public static IReadOnlyList<PlainBar> Resources(IReadOnlyList<string> lines)
    {
        const ulong Ports = 0x100, Memory = 0x200;

        List<PlainBar> found = [];
        for (int index = 0; index < Math.Min(lines.Count, 6); index++)
        {
            ulong[] numbers = [.. lines[index].Split(' ').Select(n => Convert.ToUInt64(n, 16))];
            if (numbers is [var first, var last, var flags] && (flags & (Ports | Memory)) != 0 && last > first)
                found.Add(new(index, last - first + 1, (flags & Ports) != 0));
        }

        return found;
    }

    public ulong Read(ulong offset, int width)
    {
        if (offset < ConfigOffset)
            return Bar(offset).Read(Inside(offset), width);
        int at = (int)(offset - ConfigOffset);
        if (width == 8)
            return Read(offset, 4) | (Read(offset + 4, 4) << 32);
        if (at + width > Header && _hidden)
            throw new NativeException("pread(config)", Errno.EACCES, "sysfs shows the header alone without CAP_SYS_ADMIN");
        lock (_registers)
        {
            if (_registers.TryGetValue(at & ~3, out var register))
                return (register.Value >> ((at & 3) * 8)) & (uint)(uint.MaxValue >> (32 - (width * 8)));
        }

        ulong value = _config.Read((ulong)at, width);
        bool status = at <= Status && Status < at + width;
        return _hidden && status ? value & ~(HasCapabilities << ((Status - at) * 8)) : value;
    }

    public void Write(ulong offset, int width, ulong value)
    {
        if (offset < ConfigOffset)
        {
            Bar(offset).Write(Inside(offset), width, value);
            return;
        }

        int at = (int)(offset - ConfigOffset);
        if (width == 8)
        {
            Write(offset, 4, (uint)value);
            Write(offset + 4, 4, value >> 32);
            return;
        }

        lock (_registers)
        {
            if (_registers.TryGetValue(at & ~3, out var register))
            {
                int shift = (at & 3) * 8;
                uint mask = (uint.MaxValue >> (32 - (width * 8)) << shift) & register.Writable;
                _registers[at & ~3] = ((register.Value & ~mask) | (((uint)value << shift) & mask), register.Writable);
                return;
            }
        }

        _config.Write((ulong)at, width, value);
    }

    public void MapInto(MemoryMapping mapping, ulong mappingOffset, ulong size, bool writable, ulong offset) =>
        Bar(offset).MapInto(mapping, mappingOffset, size, writable, Inside(offset));

    public void Dispose()
    {
        _config.Dispose();
        foreach (var bar in _bars.Values)
            bar.Dispose();
    }

    private SysfsFile Bar(ulong offset) => _bars[(int)(offset >> Shift) - 1];

    private static ulong Inside(ulong offset) => offset & ((1UL << Shift) - 1);

    private bool CanRead(int at)
    {
        try
        {
            _config.Read((ulong)at, 4);
            return true;
        }
        catch (NativeException)
        {
            return false;
        }
    }

    // The registers as they are; of a BAR's address the bits above its size can be written.
    private void Shadow()
    {
        const int First = 0x10, Rom = 0x30;

        for (int index = 0; index < 6; index++)
        {
            uint value = (uint)_config.Read((ulong)(First + (index * 4)), 4);
            _registers[First + (index * 4)] = (value, 0);
        }

        _registers[Rom] = ((uint)_config.Read(Rom, 4), 0);
        foreach (var bar in Bars)
        {
            ulong writable = ~(bar.Size - 1);
            int at = First + (bar.Index * 4);
            uint low = _registers[at].Value;
            _registers[at] = (low, (uint)writable & (bar.Ports ? ~3u : ~0xfu));
            if (!bar.Ports && (low & 0b110) == 0b100)
                _registers[at + 4] = (_registers[at + 4].Value, (uint)(writable >> 32));
        }
    }
}

/// <summary>A BAR as sysfs describes it.</summary>
/// <param name="Index">0 to 5.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Ports">I/O ports, which cannot be mapped.</param>
internal sealed record PlainBar(int Index, ulong Size, bool Ports);
