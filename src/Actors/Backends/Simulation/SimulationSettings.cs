using System.Globalization;
using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace Riser.Actors.Backends.Simulation;

/// <summary>What the section <c>riser.backends.sim</c> says.</summary>
internal sealed record SimulationSettings(IReadOnlyDictionary<string, PonyOptions> Devices, IommuInfo Iommu, ulong? MemoryLock)
{
    private const string Section = "riser.backends.sim";

    private static readonly string[] s_keys = ["class", "devices", "device", "iommu"];
    private static readonly string[] s_deviceKeys = ["mode", "vectors", "msi-vectors", "rate", "seed", "faults", "memory", "group"];
    private static readonly string[] s_iommuKeys = ["present", "address-width", "reserved", "max-mappings", "memlock"];

    /// <exception cref="ConfigurationException">A key is unknown or its value is wrong; the message names it.</exception>
    public static SimulationSettings From(Config config)
    {
        var all = config.WithFallback(ReferenceConfig.Default.GetConfig(Section));
        CheckKeys(all, "", s_keys);
        CheckKeys(all.GetConfig("device"), "device.", s_deviceKeys);
        CheckKeys(all.GetConfig("iommu"), "iommu.", s_iommuKeys);
        var iommu = all.GetConfig("iommu");
        _ = Options(all.GetConfig("device"), "device"); // refused by its key also where no device takes it
        string locked = iommu.GetString("memlock");
        return new(
            Names(all).ToDictionary(name => name, name => Device(all, name), StringComparer.Ordinal),
            Describe(iommu),
            locked == "unlimited" ? null : (ulong)Bytes(iommu, "iommu", "memlock"));
    }

    private static PonyOptions Device(Config all, string name)
    {
        string at = $"devices.{name}";
        if (!all.GetValue(at).IsObject())
            throw Wrong(at, "is not a section; write { } for a device with the defaults");
        var own = all.GetConfig(at);
        CheckKeys(own, at + ".", s_deviceKeys);
        return Options(own.WithFallback(all.GetConfig("device")), at);
    }

    private static PonyOptions Options(Config with, string at) => new()
    {
        Mode = Mode(with, at),
        Vectors = Number(with, at, "vectors", 0, 2048),
        MsiVectors = Number(with, at, "msi-vectors", 0, 32) is var msi && (msi & (msi - 1)) == 0 ? msi : throw Wrong($"{at}.msi-vectors", $"is {msi}; use 0, 1, 2, 4, 8, 16 or 32"),
        Rate = Number(with, at, "rate", 0, 10_000_000),
        Seed = ulong.TryParse(with.GetString("seed"), NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed) ? seed : throw Wrong($"{at}.seed", $"is '{with.GetString("seed")}'; use a number from 0"),
        Faults = double.TryParse(with.GetString("faults"), NumberStyles.Float, CultureInfo.InvariantCulture, out double faults) && faults is >= 0 and <= 1 ? faults : throw Wrong($"{at}.faults", $"is '{with.GetString("faults")}'; use a share from 0 to 1"),
        Group = with.GetString("group") is { Length: > 0 } group ? group : null,
        MemorySize = Bytes(with, at, "memory") is >= 4096 and <= 1 << 30 and var size && (size & (size - 1)) == 0 ? (ulong)size : throw Wrong($"{at}.memory", $"is '{with.GetString("memory")}'; use a power of two from 4KiB to 1GiB"),
    };

    private static PonyMode Mode(Config config, string at) => config.GetString("mode") switch
    {
        "rainbow" => PonyMode.Rainbow,
        "glitter" => PonyMode.Glitter,
        var other => throw Wrong($"{at}.mode", $"is '{other}'; use rainbow or glitter"),
    };

    private static void CheckKeys(Config section, string prefix, string[] known)
    {
        foreach (string key in section.Root.GetObject().Items.Keys.Except(known, StringComparer.Ordinal))
            throw Wrong(prefix + key, $"is unknown; there are {string.Join(", ", known)}");
    }

    private static IEnumerable<string> Names(Config all)
    {
        var devices = all.GetValue("devices");
        return devices is null || !devices.IsObject() ? [] : [.. devices.GetObject().Items.Keys];
    }

    private static IommuInfo Describe(Config iommu)
    {
        int width = Number(iommu, "iommu", "address-width", 32, 63);
        int most = Number(iommu, "iommu", "max-mappings", 1, int.MaxValue);
        if (!iommu.Switch($"{Section}.iommu", "present"))
            return new(Present: false, PageSizes & (~PageSizes + 1), [], most);
        List<IovaRange> aperture = [];
        ulong start = 0, last = (1UL << width) - 1;
        foreach (var reserved in Texts(iommu, "reserved").Select(Range).OrderBy(r => r.Start))
        {
            if (reserved.Start > start)
                aperture.Add(new(start, Math.Min(reserved.Start - 1, last) - start + 1));
            start = Math.Max(start, reserved.Last + 1);
            if (start > last)
                return new(Present: true, PageSizes, aperture, most);
        }

        aperture.Add(new(start, last - start + 1));
        return new(Present: true, PageSizes, aperture, most);
    }

    private static IEnumerable<string> Texts(Config iommu, string key)
    {
        var list = iommu.GetValue(key);
        return list.IsArray() && list.GetArray().All(item => item.IsString())
            ? list.GetStringList()
            : throw Wrong($"iommu.{key}", "is no list of ranges; write [\"0xfee00000-0xfeefffff\"], or []");
    }

    /// <summary>4 KiB, 2 MiB and 1 GiB.</summary>
    private const ulong PageSizes = (1UL << 12) | (1UL << 21) | (1UL << 30);

    private static IovaRange Range(string text)
    {
        string[] ends = text.Split('-');
        if (ends.Length == 2 && Hex(ends[0]) is { } first && Hex(ends[1]) is { } last && first <= last && (first & 4095) == 0 && (last & 4095) == 4095)
            return new(first, last - first + 1);
        throw Wrong("iommu.reserved", $"has '{text}'; write whole pages as 0xfee00000-0xfeefffff");
    }

    private static ulong? Hex(string text)
    {
        string digits = text.Trim();
        return digits.StartsWith("0x", StringComparison.Ordinal) && ulong.TryParse(digits[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong value) ? value : null;
    }

    private static int Number(Config config, string at, string key, int least, int most)
    {
        string text = config.GetString(key);
        return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= least && value <= most ? value : throw Wrong($"{at}.{key}", $"is '{text}'; use a number from {least} to {most}");
    }

    private static long Bytes(Config config, string at, string key)
    {
        try
        {
            return config.GetByteSize(key) ?? throw Wrong($"{at}.{key}", "is missing");
        }
        catch (Exception bad) when (bad is FormatException or OverflowException)
        {
            throw Wrong($"{at}.{key}", $"is '{config.GetString(key)}'; write bytes as 64KiB or 1GiB");
        }
    }

    private static ConfigurationException Wrong(string key, string what) => new($"{Section}.{key} {what}.");
}
