using Akka.Configuration;
using Riser.Actors.Backends.Simulation;

namespace Riser.Actors.Specs.Backends;

/// <summary>The section riser.backends.sim: its defaults and its refusals.</summary>
public sealed class SimulationConfigSpecs
{
    [Fact]
    public void Defaults_are_those_of_the_reference()
    {
        var settings = SimulationSettings.From(ConfigurationFactory.ParseString("devices { pony { } }"));
        var device = settings.Devices["pony"];

        Assert.Empty(SimulationSettings.From(Config.Empty).Devices);
        Assert.Equal(new PonyOptions { Mode = PonyMode.Rainbow, Vectors = 64, MsiVectors = 32, Rate = 0, Seed = 1, Faults = 0, MemorySize = 65536 }, device);
        Assert.Equal(new PonyOptions(), device);
        Assert.Null(settings.MemoryLock);
        Assert.True(settings.Iommu.Present);
        Assert.Equal(65535, settings.Iommu.MaxMappings);
        Assert.Equal([new(0, 0xfee00000), new(0xfef00000, (1UL << 48) - 0xfef00000)], settings.Iommu.Aperture);
        Assert.Equal(4096UL, settings.Iommu.Alignment);
    }

    [Fact]
    public void Device_takes_its_own_keys_over_the_defaults()
    {
        var settings = SimulationSettings.From(ConfigurationFactory.ParseString(
            "device.rate = 7, devices { a { mode = glitter, vectors = 256, seed = 9, faults = 0.25, memory = 1MiB }\n b { rate = 0, msi-vectors = 0 } }\n iommu.memlock = 64MiB"));

        Assert.Equal(new PonyOptions { Mode = PonyMode.Glitter, Vectors = 256, Rate = 7, Seed = 9, Faults = 0.25, MemorySize = 1 << 20 }, settings.Devices["a"]);
        Assert.Equal(new PonyOptions { MsiVectors = 0 }, settings.Devices["b"]);
        Assert.Equal(64UL << 20, settings.MemoryLock);
    }

    [Theory]
    [InlineData("devices.pony.colour = pink", "devices.pony.colour")]
    [InlineData("devices.pony.mode = sparkle", "devices.pony.mode")]
    [InlineData("devices.pony.vectors = 2049", "devices.pony.vectors")]
    [InlineData("devices.pony.vectors = many", "devices.pony.vectors")]
    [InlineData("devices.pony.msi-vectors = 3", "devices.pony.msi-vectors")]
    [InlineData("devices.pony.rate = -1", "devices.pony.rate")]
    [InlineData("devices.pony.rate = 1s", "devices.pony.rate")]
    [InlineData("devices.pony.faults = 2", "devices.pony.faults")]
    [InlineData("devices.pony.faults = often", "devices.pony.faults")]
    [InlineData("devices.pony.seed = x", "devices.pony.seed")]
    [InlineData("devices.pony.memory = 5000", "devices.pony.memory")]
    [InlineData("devices.pony.memory = 64 parsecs", "devices.pony.memory")]
    [InlineData("devices.pony = 5", "devices.pony")]
    [InlineData("device.colour = pink", "device.colour")]
    [InlineData("iommu.colour = pink", "iommu.colour")]
    [InlineData("colour = pink", "colour")]
    [InlineData("iommu.present = perhaps", "iommu.present")]
    [InlineData("iommu.address-width = 64", "iommu.address-width")]
    [InlineData("iommu.max-mappings = 0", "iommu.max-mappings")]
    [InlineData("iommu.memlock = lots", "iommu.memlock")]
    [InlineData("iommu.reserved = [\"1-2\"]", "iommu.reserved")]
    public void Wrong_key_or_value_is_named(string config, string key)
    {
        var refused = Assert.Throws<ConfigurationException>(() => new SimulationBackend(ConfigurationFactory.ParseString(config)));

        Assert.Contains($"riser.backends.sim.{key} ", refused.Message);
    }

    [Fact]
    public void Embedded_default_has_two_ponies()
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "Actors.sln")))
            root = Path.GetDirectoryName(root) ?? throw new InvalidOperationException("The repository was not found.");
        var config = ConfigurationFactory.ParseString(File.ReadAllText(Path.Combine(root, "config/hocon/simulation.conf")));
        var settings = SimulationSettings.From(config.GetConfig("riser.backends.sim"));

        Assert.Equal(["pony0", "pony1"], settings.Devices.Keys.Order());
        Assert.Equal((PonyMode.Rainbow, 64), (settings.Devices["pony0"].Mode, settings.Devices["pony0"].Vectors));
        Assert.Equal((PonyMode.Glitter, 256), (settings.Devices["pony1"].Mode, settings.Devices["pony1"].Vectors));
    }
}
