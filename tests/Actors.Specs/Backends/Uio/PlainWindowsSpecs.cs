using Riser.Actors.Backends.Uio;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends.Uio;

/// <summary>Configuration space of a function in the hands of uio_pci_generic, in files of the spec's own.</summary>
public sealed class PlainWindowsSpecs : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("riser-plain-");
    private readonly PlainWindows _windows;

    public PlainWindowsSpecs()
    {
        byte[] config = new byte[256];
        BitConverter.TryWriteBytes(config.AsSpan(0x10), 0xfeb0_000cU); // 64 bits, prefetchable
        BitConverter.TryWriteBytes(config.AsSpan(0x14), 0x0000_0001U);
        BitConverter.TryWriteBytes(config.AsSpan(0x18), 0x0000_c001U); // ports
        File.WriteAllBytes(Path.Combine(_folder.FullName, "config"), config);
        File.WriteAllLines(Path.Combine(_folder.FullName, "resource"), [
            "0x00000001feb00000 0x00000001feb03fff 0x000000000014220c",
            "0x0000000000000000 0x0000000000000000 0x0000000000000000",
            "0x000000000000c000 0x000000000000c03f 0x0000000000040101",
        ]);
        File.WriteAllBytes(Path.Combine(_folder.FullName, "resource0"), new byte[0x4000]);
        File.WriteAllBytes(Path.Combine(_folder.FullName, "resource2"), [.. Enumerable.Range(0, 64).Select(i => (byte)i)]);
        _windows = new(_folder.FullName, NodeFile.Direct);
    }

    public void Dispose()
    {
        _windows.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public void Bars_are_those_of_the_resource_file() =>
        Assert.Equal([new(0, 0x4000, Ports: false), new(2, 64, Ports: true)], _windows.Bars);

    [Theory]
    [InlineData(0x10, 0xffff_ffff, 0xffff_c00c, 0xfeb0_000c)]
    [InlineData(0x14, 0xffff_ffff, 0xffff_ffff, 0x0000_0001)]
    [InlineData(0x18, 0xffff_ffff, 0xffff_ffc1, 0x0000_c001)]
    [InlineData(0x1c, 0xffff_ffff, 0, 0)]
    [InlineData(0x30, 0xffff_ffff, 0, 0)]
    public void A_bar_can_be_sized_and_is_never_moved(int offset, uint written, uint read, uint inDevice)
    {
        _windows.Write(PlainWindows.ConfigOffset + (ulong)offset, 4, written);

        Assert.Equal(read, _windows.Read(PlainWindows.ConfigOffset + (ulong)offset, 4));
        Assert.Equal(inDevice, BitConverter.ToUInt32(File.ReadAllBytes(Path.Combine(_folder.FullName, "config")), offset));
    }

    [Fact]
    public void Eight_bytes_reach_both_a_bar_and_what_is_beside_it()
    {
        _windows.Write(PlainWindows.ConfigOffset + 0x30, 8, 0x1122_3344_ffff_ffff);

        Assert.Equal(0x1122_3344_0000_0000UL, _windows.Read(PlainWindows.ConfigOffset + 0x30, 8));
        Assert.Equal(0x1122_3344U, BitConverter.ToUInt32(File.ReadAllBytes(Path.Combine(_folder.FullName, "config")), 0x34));
    }

    [Fact]
    public void Registers_of_bars_are_in_their_own_files()
    {
        Assert.Equal(0x0b0a_0908UL, _windows.Read((3UL << PlainWindows.Shift) + 8, 4));

        _windows.Write((1UL << PlainWindows.Shift) + 0x10, 2, 0x1234);

        Assert.Equal(0x34, File.ReadAllBytes(Path.Combine(_folder.FullName, "resource0"))[0x10]);
    }
}
