using System.Diagnostics;
using System.Globalization;
using Riser.Actors.ConfigSpace;

namespace Riser.Actors.Specs.ConfigSpace;

/// <summary>
/// The kernel module has the same rules in C (kernel/config_rules.h). Its own code, compiled here over a device of bytes,
/// says for each byte what it makes of a space: which bits are virtual, which can be written, what they begin with, what
/// a write does besides. This implementation must say the same.
/// </summary>
public sealed class KernelRulesSpecs : IClassFixture<KernelRulesSpecs.KernelConfig>
{
    private readonly KernelConfig _kernel;

    public KernelRulesSpecs(KernelConfig kernel) => _kernel = kernel;

    [SkippableTheory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Kernel_lays_a_full_space_out_as_we_do(bool msi64, bool virtualFunction)
    {
        var device = new FullConfigSpace(msi64, virtualFunction, intx: !virtualFunction);

        Same(device.Bytes, device.Layout.Traits);
    }

    [SkippableTheory]
    [InlineData(0x02, 0, 12)] // AGP
    [InlineData(0x05, 0x0100, 20)] // MSI, masks
    [InlineData(0x05, 0x0000, 10)]
    [InlineData(0x05, 0x0080, 14)]
    [InlineData(0x07, 0x0000, 8)] // PCI-X, version 0
    [InlineData(0x07, 0x2000, 24)]
    [InlineData(0x08, 0x0000, 28)] // HyperTransport, slave
    [InlineData(0x08, 0x2000, 24)]
    [InlineData(0x09, 0x0000, 3)] // vendor, which says that it has no bytes
    [InlineData(0x09, 0x0003, 3)]
    [InlineData(0x10, 0x0001, 0x14)] // PCI Express, version 1
    [InlineData(0x10, 0x0002, 0x3c)]
    [InlineData(0x10, 0x0091, 0x0c)] // in the root complex
    [InlineData(0x10, 0x0092, 0x2c)]
    [InlineData(0x12, 0x0000, 8)] // SATA
    [InlineData(0x04, 0, 8)] // hidden ones
    [InlineData(0x06, 0, 8)]
    [InlineData(0x0a, 0, 8)]
    [InlineData(0x0b, 0, 8)]
    [InlineData(0x0c, 0, 8)]
    [InlineData(0x0d, 0, 8)]
    [InlineData(0x0e, 0, 8)]
    [InlineData(0x0f, 0, 8)]
    [InlineData(0x14, 0, 8)]
    public void Kernel_lays_a_standard_capability_out_as_we_do(int id, int second, int length)
    {
        var builder = new ConfigSpaceBuilder().Header(0x1234, 0x5678, 0x020000, intx: true).Bar(0, 0xe0000000, wide: false);
        builder.Standard(CapabilityId.PowerManagement, 8, out int at).Word(at + 2, 0xffff).Word(at + 4, 0x8100);
        builder.Standard(id, length, out at).Word(at + 2, (ushort)second);
        builder.Standard(CapabilityId.MsiX, 12, out at).Word(at + 2, 0x001f);

        Same(builder.Bytes, new ConfigTraits([4096, 0, 0, 0, 0, 0]));
    }

    [SkippableTheory]
    [InlineData(0x02, 0x00000003, 0x00000004)] // virtual channels, with an arbitration table
    [InlineData(0x08, 0x00000000, 0x00000000)]
    [InlineData(0x0b, 0x00000000, 0)] // vendor, which says that it has no bytes
    [InlineData(0x0b, 0x00c00000, 0)]
    [InlineData(0x0d, 0x00004020, 0)] // access control, with a vector of 64
    [InlineData(0x0d, 0x00000020, 0)] // and of 256
    [InlineData(0x15, 0x00000000, 0x00000060)] // three resizable BARs
    [InlineData(0x16, 0x00000007, 0)]
    [InlineData(0x17, 0x00070200, 0)] // TPH with its table here
    [InlineData(0x17, 0x00070400, 0)] // and elsewhere
    [InlineData(0x23, 0x01400000, 0)]
    [InlineData(0x05, 0, 0)] // hidden ones
    [InlineData(0x0a, 0, 0)]
    [InlineData(0x11, 0, 0)]
    [InlineData(0x19, 0, 0)]
    [InlineData(0x1b, 0, 0)]
    [InlineData(0x1e, 0, 0)]
    [InlineData(0x7777, 0, 0)]
    public void Kernel_lays_an_extended_capability_out_as_we_do(int id, uint first, uint second)
    {
        foreach (bool leads in (bool[])[true, false])
        {
            var builder = new ConfigSpaceBuilder().Header(0x1234, 0x5678, 0x020000, intx: true).Bar(0, 0xe0000000, wide: false);
            if (!leads)
                builder.Extended(ExtendedCapabilityId.AdvancedErrorReporting, 1, 0x2c, out _);
            builder.Extended(id, 1, 0x100, out int at).Dword(at + 4, first).Dword(at + 8, second);
            builder.Extended(ExtendedCapabilityId.SerialNumber, 1, 12, out _);

            Same(builder.Bytes, new ConfigTraits([4096, 0, 0, 0, 0, 0]));
        }
    }

    private void Same(byte[] space, ConfigTraits traits)
    {
        Skip.IfNot(KernelConfig.CanBuild, "There is no make and gcc here to compile kernel/config*.c with.");
        var layout = new ConfigLayout(space, traits);
        var user = new PciConfigSpace(layout, new Bytes(space));
        var differences = _kernel.Lay(space, traits).Select((kernel, offset) =>
        {
            var ours = new KernelByte(layout.VirtualBits(offset), layout.WritableBits(offset), (byte)user.Read(offset, 1), Trap(layout.EffectAt(offset).Effect));
            return kernel == ours ? null : $"0x{offset:x3}: kernel {kernel}, here {ours}";
        }).OfType<string>();

        Assert.Empty(differences);
    }

    // As enum upu_trap of kernel/config.h has them.
    private static int Trap(RuleEffect effect) => effect switch
    {
        RuleEffect.Command => 1,
        RuleEffect.Bar or RuleEffect.Rom => 2,
        RuleEffect.PowerState => 3,
        RuleEffect.Vpd => 4,
        RuleEffect.MsiControl => 5,
        RuleEffect.DeviceControl => 6,
        RuleEffect.FunctionReset => 7,
        _ => 0,
    };

    /// <summary>What one side makes of a byte.</summary>
    public sealed record KernelByte(byte Virtual, byte Writable, byte Reads, int Trap);

    /// <summary>The kernel's code as a program, built once.</summary>
    public sealed class KernelConfig : IDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("riser-config-").FullName;
        private readonly string? _failure;

        public KernelConfig()
        {
            if (CanBuild)
                _failure = Run("make", ["-s", "-C", Path.Combine(Root(), "kernel", "selftest"), $"OUT={_folder}", Path.Combine(_folder, "upu-config-dump")], [], out _);
        }

        public static bool CanBuild { get; } = ((string[])["make", "gcc"]).All(tool =>
            (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, tool))));

        internal KernelByte[] Lay(byte[] space, ConfigTraits traits)
        {
            Assert.Null(_failure);
            string[] sizes = [.. traits.BarSizes.Append(traits.RomSize).Select(size => size.ToString(CultureInfo.InvariantCulture))];
            Assert.Null(Run(Path.Combine(_folder, "upu-config-dump"), [traits.IsVirtualFunction ? "1" : "0", .. sizes], space, out string lines));
            KernelByte[] bytes = [.. lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Parse)];
            Assert.Equal(space.Length, bytes.Length);
            return bytes;
        }

        public void Dispose() => Directory.Delete(_folder, recursive: true);

        private static KernelByte Parse(string line)
        {
            string[] field = line.Split(' ');
            byte Hex(int i) => byte.Parse(field[i], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            return new(Hex(0), Hex(1), Hex(2), int.Parse(field[3], CultureInfo.InvariantCulture));
        }

        // null when it succeeds, else what it says.
        private static string? Run(string program, string[] arguments, byte[] input, out string output)
        {
            var start = new ProcessStartInfo(program) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
            foreach (string argument in arguments)
                start.ArgumentList.Add(argument);
            start.Environment.Remove("MAKEFLAGS"); // of a make that runs the specs
            using var process = Process.Start(start)!;
            var said = process.StandardError.ReadToEndAsync();
            var printed = process.StandardOutput.ReadToEndAsync();
            process.StandardInput.BaseStream.Write(input);
            process.StandardInput.Close();
            process.WaitForExit();
            output = printed.GetAwaiter().GetResult();
            return process.ExitCode == 0 ? null : $"{program}: {said.GetAwaiter().GetResult()}";
        }

        private static string Root()
        {
            string? folder = AppContext.BaseDirectory;
            while (folder is not null && !File.Exists(Path.Combine(folder, "Actors.sln")))
                folder = Path.GetDirectoryName(folder);
            return folder ?? throw new InvalidOperationException("The specs do not run in a checkout.");
        }
    }

    private sealed class Bytes(byte[] space) : IConfigFunction
    {
        public byte ReadHardware(int offset) => space[offset];

        public void WriteHardware(int offset, byte value)
        {
        }

        public void HardwareWritten()
        {
        }

        public void SetIntxDisabled(bool disabled)
        {
        }

        public void SetMemoryEnabled(bool enabled)
        {
        }

        public void RestoreBars()
        {
        }

        public void SetPowerState(int state)
        {
        }

        public void ResetFunction()
        {
        }

        public bool TryVpd(int address, bool write, ref uint data) => false;
    }
}
