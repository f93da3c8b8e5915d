using Akka.Configuration;
using Riser.Actors.Backends;

namespace Riser.Host.Specs.Support;

/// <summary>Devices that cannot be opened: one is seen to be so, one says so when it is tried.</summary>
public sealed class StubbornBackend : IPciBackend
{
    /// <summary>A configuration that has it.</summary>
    public const string Configuration = """
        riser.restart.budget = 1
        riser.backends.enabled = [stubborn]
        riser.backends.stubborn.class = "Riser.Host.Specs.Support.StubbornBackend, Riser.Host.Specs"
        """;

    public StubbornBackend(Config config) => Assert.NotNull(config);

    public string Name => "stubborn";

    public IReadOnlyList<DeviceDescription> Discover() =>
    [
        new(DeviceId.Parse("stubborn:busy"), 0x1af4, 1, 0, Group: null),
        new(DeviceId.Parse("stubborn:blocked"), 0x1af4, 1, 0, Group: null, "Its group 7 is not viable: 0000:00:1f.2 is bound to ahci. Bind it to vfio-pci."),
    ];

    public IPciSession Open(DeviceId device) => throw new PciException(Errno.EBUSY, $"{device} is held by another program", "End that program.");

    public IDisposable Watch(Action<DeviceChange> changed) => new Unwatched();

    public void Dispose()
    {
    }

    private sealed class Unwatched : IDisposable
    {
        public void Dispose()
        {
        }
    }
}
