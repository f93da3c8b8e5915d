using Akka.Configuration;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends;

/// <summary>Another device model than the pony, by the same interface: a counter that interrupts each time it is asked to count.</summary>
public sealed class SimulatedModelSpecs : IDisposable
{
    private readonly SimulationBackend _backend = new(Config.Empty);

    private sealed class Counter(ISimulatedSlot slot) : ISimulatedModel
    {
        private uint _count;

        public SimulatedShape Shape { get; } = new() { VendorId = 0x1234, ProductId = 0x11e8, MsiVectors = 1, Bars = [new(0, 256, Shared: false)] };

        public void Reset() => _count = 0;

        public ulong ReadBar(int bar, ulong offset, int width) => offset == 8 ? throw new InvalidOperationException("read of 8") : _count;

        public void WriteBar(int bar, ulong offset, int width, ulong value)
        {
            if (offset == 4)
                slot.Schedule(TimeSpan.Zero, () => throw new InvalidOperationException("broken model"));
            _count += (uint)value;
            slot.Raise(0);
        }
    }

    [Fact]
    public void Model_plugs_in_and_counts()
    {
        var device = _backend.Add("counter", slot => new Counter(slot));
        using var session = _backend.Open(device.Id);
        using var eventFd = EventFdHandle.Create();
        session.Arm(VectorKind.Msi, 0, [eventFd]);

        session.Bar(0).Write32(0, 5);
        session.Bar(0).Write32(0, 7);

        Assert.Equal(12u, session.Bar(0).Read32(0));
        Assert.Equal(2, eventFd.Read());
        Assert.Equal(0x11e8UL, session.ReadConfig(2, 2));
        Assert.Equal([VectorKind.Msi], session.Info.Vectors.Select(v => v.Kind));
        Assert.Equal([0], session.Info.Bars.Select(b => b.Index));
        session.Reset();
        Assert.Equal(0u, session.Bar(0).Read32(0));
    }

    [Fact]
    public void Model_that_throws_on_the_clock_is_a_device_error()
    {
        var device = _backend.Add("counter", slot => new Counter(slot));
        using var session = _backend.Open(device.Id);
        using var error = EventFdHandle.Create();
        session.Connect(SessionNotice.DeviceError, error);

        session.Bar(0).Write32(4, 1);

        Assert.True(SpinWait.SpinUntil(() => error.Read() == 1, TimeSpan.FromSeconds(10)));
        Assert.Equal("broken model", device.ModelFailure?.Message);
    }

    [Theory]
    [InlineData(3, 0, 4096)]
    [InlineData(0, 2049, 4096)]
    [InlineData(0, 0, 4095)]
    [InlineData(0, 0, 0)]
    public void Backend_refuses_a_shape_that_no_function_can_have(int msi, int msix, ulong bar)
    {
        var shape = new SimulatedShape { VendorId = 1, ProductId = 2, MsiVectors = msi, MsixVectors = msix, Bars = [new(0, bar, Shared: false)] };

        Assert.Throws<ArgumentException>(() => _backend.Add("odd", _ => new Still(shape)));
        Assert.Empty(_backend.Discover());
    }

    [Fact]
    public void Backend_refuses_bars_that_collide()
    {
        var msix = new SimulatedShape { VendorId = 1, ProductId = 2, MsixVectors = 1, Bars = [new(4, 4096, Shared: false)] };
        var twice = new SimulatedShape { VendorId = 1, ProductId = 2, Bars = [new(0, 4096, Shared: false), new(0, 4096, Shared: true)] };

        Assert.Throws<ArgumentException>(() => _backend.Add("odd", _ => new Still(msix)));
        Assert.Throws<ArgumentException>(() => _backend.Add("odd", _ => new Still(twice)));
    }

    public void Dispose() => _backend.Dispose();

    private sealed class Still(SimulatedShape shape) : ISimulatedModel
    {
        public SimulatedShape Shape => shape;

        public void Reset()
        {
        }

        public ulong ReadBar(int bar, ulong offset, int width) => 0;

        public void WriteBar(int bar, ulong offset, int width, ulong value)
        {
        }
    }
}
