using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Uio;
using Riser.Actors.Backends.Vfio;

namespace Riser.Actors.Specs.Backends.Broker;

public sealed class BrokerSettingsSpecs
{
    [Fact]
    public void Every_default_is_read() =>
        Assert.Equal(new BrokerSettings("/run/riser/broker.sock", TimeSpan.FromSeconds(10)), BrokerSettings.Of(Config.Empty));

    [Fact]
    public void A_backend_finds_the_section_in_its_own()
    {
        var section = ConfigurationFactory.ParseString("broker { socket = \"/x\" }");

        var expected = new BrokerSettings("/x", TimeSpan.FromSeconds(10));
        Assert.Equal(expected, VfioSettings.Read(section).Broker);
        Assert.Equal(expected, UioSettings.Read(section).Broker);
    }

    [Theory]
    [InlineData("")]
    [InlineData("/no/such.sock")]
    public void Nobody_is_asked_where_there_is_no_socket(string socket)
    {
        var settings = new BrokerSettings(socket, TimeSpan.FromSeconds(1));
        var without = new PciException(Errno.EACCES, "no", "fix");

        Assert.False(settings.IsThere);
        Assert.Same(without, settings.Obstacle(DeviceId.Parse("vfio:0000:01:00.0"), () => without));
    }

    [Fact]
    public void A_socket_that_nobody_answers_is_an_obstacle_that_names_it()
    {
        using var file = new TemporaryFile();
        var settings = new BrokerSettings(file.Path, TimeSpan.FromSeconds(1));

        var refused = settings.Obstacle(DeviceId.Parse("vfio:0000:01:00.0"), () => throw new InvalidOperationException());

        Assert.Equal(Errno.ECONNREFUSED, refused!.Errno);
        Assert.Contains(file.Path, refused.Why);
    }

    private sealed class TemporaryFile : IDisposable
    {
        public TemporaryFile() => File.WriteAllText(Path, "");

        public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"riser-specs-{Guid.NewGuid():N}");

        public void Dispose() => File.Delete(Path);
    }
}
