using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interrupts;
using Riser.Host.Exercise;

namespace Riser.Host.Specs.Exercise;

/// <summary>A device that does nothing but note what it is asked.</summary>
internal sealed class FakePort(int vectors, params (ulong Size, ulong Iova)[] regions) : IPort
{
    public List<object> Asked { get; } = [];

    public SessionInfo Info { get; } = new([new(2, 4096, true, true, [])], [], new(true, 4096, [], 10), 4096, CanReset: true, CanTrigger: true);

    public int Vectors => vectors;

    public IReadOnlyList<MappedRegion> Regions { get; } = [.. regions.Select(r => new MappedRegion(DmaMemory.Allocate(r.Size), r.Iova))];

    public void Read(int bar, ulong offset, int width) => Asked.Add(new DeviceProtocol.ReadBar(bar, offset, width));

    public void Write(int bar, ulong offset, int width, ulong value) => Asked.Add(new DeviceProtocol.WriteBar(bar, offset, width, value));

    public void Trigger(int vector, int times) => Asked.Add((vector, times));

    /// <summary>What was asked since the last call.</summary>
    public IReadOnlyList<object> Take()
    {
        List<object> asked = [.. Asked];
        Asked.Clear();
        return asked;
    }

    /// <summary>Answers a write of an offset as done.</summary>
    public static DeviceProtocol.BarWritten Written(ulong offset, int width = 4) => new(0, offset, width);

    public static InterruptProtocol.Triggered Triggered(int vector, int times) => new(vector, times);
}
