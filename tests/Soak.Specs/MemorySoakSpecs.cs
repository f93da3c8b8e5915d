using System.Diagnostics;
using Akka.Actor;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Xunit.Abstractions;

namespace Riser.Soak.Specs;

/// <summary>Locked memory never leaks, and no DMA reaches memory after its unmapping was answered.</summary>
public sealed class MemorySoakSpecs(ITestOutputHelper output) : SoakSpec(output, "riser.backends.sim { iommu.memlock = 256KiB, devices.pony.vectors = 4 }")
{
    private const int Allowed = 64; // pages: one that leaks is missed soon

    [Fact]
    public void Locked_memory_is_back_at_its_baseline_after_mapping_unmapping_and_lost_sessions()
    {
        int cycles = Soak.Length(full: 100_000, brief: 500);
        var random = new Random(Soak.Seed);
        var device = Open("pony");
        var pony = Simulation("pony");
        var before = Locked();
        var regions = new List<DeviceProtocol.DmaRegionCreated>();
        long begun = Stopwatch.GetTimestamp();
        int refused = 0, restarts = 0;
        for (int i = 0; i < cycles; i++)
        {
            int failing = random.Next(24);
            if (failing == 0)
                pony.FailNext(SimulatedCall.Map, Errno.ENOMEM);
            if (regions.Count < 8)
            {
                var memory = DmaMemory.Allocate((ulong)random.Next(1, 5) * Page, (DmaMemoryKind)(random.Next(3) is var kind && kind == 2 ? 3 : kind));
                device.Tell(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(memory)), TestActor);
                if (ExpectMsg<object>() is DeviceProtocol.DmaRegionCreated made)
                {
                    regions.Add(made);
                }
                else
                {
                    memory.Dispose(); // it stays its sender's
                    refused++;
                }
            }
            if (regions.Count > 0 && random.Next(2) == 0)
            {
                var region = regions[random.Next(regions.Count)];
                Ask<DmaProtocol.Unmapped>(region.Region, new DmaProtocol.Unmap());
                region.Region.Tell(new DmaProtocol.Map(), TestActor);
                if (ExpectMsg<object>() is Actors.Refused)
                {
                    refused++;
                    Ask<DmaProtocol.Mapped>(region.Region, new DmaProtocol.Map());
                }
            }
            if (random.Next(50) == 0)
            {
                Restart("pony");
                restarts++;
            }
            if (regions.Count >= 8 || (regions.Count > 0 && random.Next(2) == 0))
            {
                var region = regions[random.Next(regions.Count)];
                regions.Remove(region);
                Ask<DmaProtocol.Released>(region.Region, new DmaProtocol.Release());
            }
        }
        foreach (var region in regions)
            Ask<DmaProtocol.Released>(region.Region, new DmaProtocol.Release());

        Assert.Empty(pony.Mappings);
        Assert.Equal(0UL, Describe(device).Counts.LockedBytes);
        Assert.Equal(before, Locked());
        var all = Region(device, DmaMemory.Allocate(Allowed * Page)); // whatever leaked would be missing here
        Assert.Equal(Allowed * Page, all.Range.Size);
        Soak.Tell($"locked memory never leaks: {cycles:N0} cycles of map, unmap and release, {refused:N0} of them refused half way, {restarts:N0} lost sessions: 0 pages left, {Stopwatch.GetElapsedTime(begun).TotalSeconds:F0} s");
    }

    [Fact]
    public void Memory_is_never_written_after_its_unmapping_was_answered()
    {
        int races = Soak.Length(full: 100_000, brief: 500);
        var random = new Random(Soak.Seed);
        var device = Open("pony");
        var registers = Ask<DeviceProtocol.BarOpened>(device, new DeviceProtocol.OpenBar(0)).Bar;
        var created = Region(device, DmaMemory.Allocate(4 * Page));
        registers.Write64(PonyRegisters.Destination, created.Range.Start);
        registers.Write64(PonyRegisters.Length, created.Range.Size);
        using var done = new CancellationTokenSource();
        var engine = new Thread(() =>
        {
            for (ulong seed = 1; !done.IsCancellationRequested; seed++)
            {
                registers.Write64(PonyRegisters.Pattern, seed);
                registers.Write32(PonyRegisters.Command, (uint)PonyCommand.Fill);
            }
        });
        engine.Start();
        long begun = Stopwatch.GetTimestamp(), met = 0;
        try
        {
            for (int i = 0; i < races; i++)
            {
                Thread.SpinWait(random.Next(200));
                Ask<DmaProtocol.Unmapped>(created.Region, new DmaProtocol.Unmap());
                byte canary = (byte)i;
                met += i > 0 && created.Memory.Span(0, (int)created.Memory.Size).ContainsAnyExcept((byte)(i - 1)) ? 1 : 0; // a transfer came since the last round
                created.Memory.Span(0, (int)created.Memory.Size).Fill(canary);
                ulong ended = registers.Read64(PonyRegisters.Moved);
                Thread.SpinWait(random.Next(2000));
                Assert.False(created.Memory.Span(0, (int)created.Memory.Size).ContainsAnyExcept(canary), $"race {i}: a canary was touched after Unmapped (moved {ended})");
                Ask<DmaProtocol.Mapped>(created.Region, new DmaProtocol.Map());
            }
        }
        finally
        {
            done.Cancel();
            engine.Join();
        }
        Assert.True(met > 0, "the engine never met the memory: nothing was tried");
        Soak.Tell($"no DMA after unmap: {races:N0} unmaps against a running engine, {met:N0} met a transfer: 0 canaries touched, {Stopwatch.GetElapsedTime(begun).TotalSeconds:F0} s");
    }

    private static string Locked() => string.Join(' ', File.ReadLines("/proc/self/status").Where(line => line.StartsWith("VmLck", StringComparison.Ordinal) || line.StartsWith("VmPin", StringComparison.Ordinal)));
}
