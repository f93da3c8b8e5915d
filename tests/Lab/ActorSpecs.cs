using Akka.Actor;
using Akka.Configuration;
using Riser.Actors;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interrupts;
using Xunit.Abstractions;

namespace Riser.Lab.Specs;

/// <summary>A real device as actors: registers, DMA and interrupts of QEMU's edu, by message and by accessor.</summary>
public sealed class ActorSpecs : Akka.TestKit.Xunit2.TestKit
{
    private static readonly Config s_config = ConfigurationFactory.ParseString("""
        akka.loglevel = WARNING
        akka.test.single-expect-default = 30s
        riser.backends.enabled = [vfio]
        """);

    private IActorRef _device = ActorRefs.Nobody;

    public ActorSpecs(ITestOutputHelper output)
        : base(s_config, output: output)
    {
    }

    [SkippableTheory]
    [InlineData(DmaMemoryKind.Normal)]
    [InlineData(DmaMemoryKind.Huge)]
    [InlineData(DmaMemoryKind.HugeTlb)]
    [InlineData(DmaMemoryKind.Shared)]
    [InlineData(DmaMemoryKind.Foreign)]
    public void Bytes_go_to_the_device_and_back_through_a_region_and_a_vector(DmaMemoryKind kind)
    {
        Open("EDU");
        using var own = Actors.Interop.MemoryMapping.Create(8192, Actors.Interop.LibC.PROT_READ | Actors.Interop.LibC.PROT_WRITE, Actors.Interop.LibC.MAP_PRIVATE | Actors.Interop.LibC.MAP_ANONYMOUS);
        var region = CreateRegion(kind == DmaMemoryKind.Foreign ? DmaMemory.FromRange(new((ulong)own.Address, 8192)) : DmaMemory.Allocate(8192, kind));
        new Random(3).NextBytes(region.Memory.Span(0, 4096));
        var bar = Ask<DeviceProtocol.BarOpened>(new DeviceProtocol.OpenBar(0)).Bar;
        Assert.Equal(0x010000edu, bar.Read32(0));
        Assert.Equal(0x010000edUL, Ask<DeviceProtocol.BarValue>(new DeviceProtocol.ReadBar(0, 0, 4)).Value);
        Subscribe(0);

        Copy(bar, region.Range.Start, Edu.Buffer, toRam: false);
        Copy(bar, Edu.Buffer, region.Range.Start + 4096, toRam: true);

        Assert.True(region.Memory.Span(0, 4096).SequenceEqual(region.Memory.Span(4096, 4096)));
    }

    [SkippableFact]
    public void DMA_to_memory_that_is_not_mapped_does_not_arrive_and_the_region_says_what_it_is()
    {
        Open("EDU");
        var region = CreateRegion(4096);
        var bar = Ask<DeviceProtocol.BarOpened>(new DeviceProtocol.OpenBar(0)).Bar;
        Subscribe(0);
        Copy(bar, region.Range.Start, Edu.Buffer, toRam: false);
        region.Memory.Span(0, 4096).Fill(0xa5);
        region.Region.Tell(new DmaProtocol.Unmap(), TestActor);
        ExpectMsg<DmaProtocol.Unmapped>();

        Copy(bar, Edu.Buffer, region.Range.Start, toRam: true);

        Assert.False(region.Memory.Span(0, 4096).ContainsAnyExcept((byte)0xa5));
        region.Region.Tell(new DmaProtocol.Describe(), TestActor);
        Assert.Equal(DmaRegionPhase.Detached, ExpectMsg<DmaProtocol.Description>().Phase);
    }

    [SkippableFact]
    public void Memory_that_goes_away_is_unmapped_and_the_region_reports_it()
    {
        Open("EDU");
        var region = CreateRegion(8192);
        var bar = Ask<DeviceProtocol.BarOpened>(new DeviceProtocol.OpenBar(0)).Bar;
        Subscribe(0);
        region.Region.Tell(new DmaProtocol.Watch(), TestActor);
        ExpectMsg<DmaProtocol.Description>();

        Assert.Equal(0, Actors.Interop.LibC.madvise((nint)region.Memory.Range.Address, 4096, Actors.Interop.LibC.MADV_DONTNEED));

        Assert.Equal(InvalidationCause.Dropped, ExpectMsg<DmaProtocol.Invalidated>().Cause);
        region.Memory.Span(0, 8192).Fill(0x5a);
        Copy(bar, Edu.Buffer, region.Range.Start, toRam: true);
        Assert.False(region.Memory.Span(0, 8192).ContainsAnyExcept((byte)0x5a));
        Assert.Equal(0UL, Ask<DeviceProtocol.Description>(new DeviceProtocol.Describe()).Counts.LockedBytes);
    }

    [SkippableFact]
    public void Every_vector_of_an_MSI_X_device_is_triggered_and_counted()
    {
        Open("IVSHMEM");
        var vectors = Ask<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors(0, 2)).Vectors;
        foreach (var vector in vectors)
        {
            vector.Tell(new InterruptProtocol.Subscribe(), TestActor);
            ExpectMsg<InterruptProtocol.Subscribed>();
            vector.Tell(new InterruptProtocol.Trigger(500), TestActor);
            bool triggered = false;
            for (long taken = 0; taken < 500 || !triggered;)
            {
                switch (ExpectMsg<object>())
                {
                    case InterruptSignal signal: taken += signal.Take(); break;
                    case InterruptProtocol.Triggered: triggered = true; break;
                    case var other: Assert.Fail($"unexpected: {other}"); break;
                }
                Assert.True(taken <= 500);
            }
        }
        Assert.Equal(1000, Ask<DeviceProtocol.Description>(new DeviceProtocol.Describe()).Counts.Interrupts);
    }

    [SkippableFact]
    public void A_restart_keeps_memory_IOVA_and_vectors_on_real_hardware()
    {
        Open("EDU");
        var region = CreateRegion(8192);
        region.Memory.Span(0, 4096).Fill(0x3c);
        Subscribe(0);
        var session = Sys.ActorSelection($"{_device.Path}/session-1");
        session.Tell(Kill.Instance); // a crash of the session's actor

        Assert.Equal(SessionFailure.Crash, FishForMessage<DeviceProtocol.SessionLost>(_ => true).Failure);
        FishForMessage<DeviceProtocol.SessionReady>(ready => ready.Epoch == 2);
        var bar = Ask<DeviceProtocol.BarOpened>(new DeviceProtocol.OpenBar(0)).Bar;

        Copy(bar, region.Range.Start, Edu.Buffer, toRam: false);
        Copy(bar, Edu.Buffer, region.Range.Start + 4096, toRam: true);
        Assert.False(region.Memory.Span(4096, 4096).ContainsAnyExcept((byte)0x3c));
    }

    [SkippableFact]
    public void A_hot_reset_restarts_the_session_of_the_other_function()
    {
        string sibling = Lab.Address("SHARED_B");
        Lab.Bind(sibling, "vfio-pci");
        try
        {
            var other = CreateTestProbe();
            var second = DeviceRuntime.For(Sys).FindAsync(Lab.Device("SHARED_B")).GetAwaiter().GetResult();
            second.Tell(new DeviceProtocol.Open(), other.Ref);
            other.ExpectMsg<DeviceProtocol.SessionReady>();
            Open("SHARED_A");

            Assert.True(Ask<DeviceProtocol.ResetDone>(new DeviceProtocol.Reset()).OthersToo);

            Assert.Equal(SessionFailure.GroupLost, other.ExpectMsg<DeviceProtocol.SessionLost>().Failure);
            Assert.Equal(2, other.ExpectMsg<DeviceProtocol.SessionReady>().Epoch);
            Assert.Equal(1, Ask<DeviceProtocol.Description>(new DeviceProtocol.Describe()).Epoch);
            second.Tell(new DeviceProtocol.Close(), other.Ref);
            other.ExpectMsg<DeviceProtocol.Closed>();
            Ask<DeviceProtocol.Closed>(new DeviceProtocol.Close());
        }
        finally
        {
            Lab.Bind(sibling, "uio_pci_generic");
        }
    }

    private void Open(string name)
    {
        var id = Lab.Device(name);
        _device = DeviceRuntime.For(Sys).FindAsync(id).GetAwaiter().GetResult();
        _device.Tell(new DeviceProtocol.Open(), TestActor);
        ExpectMsg<DeviceProtocol.SessionReady>();
    }

    private T Ask<T>(object command)
    {
        _device.Tell(command, TestActor);
        return FishForMessage<T>(_ => true);
    }

    private DeviceProtocol.DmaRegionCreated CreateRegion(ulong size) => CreateRegion(DmaMemory.Allocate(size));

    private DeviceProtocol.DmaRegionCreated CreateRegion(DmaMemory memory) => Ask<DeviceProtocol.DmaRegionCreated>(
        new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(memory, Iova: 0x20_0000))); // edu reaches 28 bits

    private void Subscribe(int vector)
    {
        var opened = Ask<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors(vector)).Vectors[0];
        opened.Tell(new InterruptProtocol.Subscribe(), TestActor);
        ExpectMsg<InterruptProtocol.Subscribed>();
    }

    /// <summary>Moves 4 KiB and waits for the message that it is done.</summary>
    private void Copy(Bar bar, ulong source, ulong destination, bool toRam)
    {
        const ulong Start = 1, ToRam = 2, Interrupt = 4;

        bar.Write64(0x80, source);
        bar.Write64(0x88, destination);
        bar.Write64(0x90, 4096);
        bar.Write64(0x98, Start | Interrupt | (toRam ? ToRam : 0));
        Assert.Equal(1, FishForMessage<InterruptSignal>(_ => true).Take());
        bar.Write32(0x64, bar.Read32(0x24));
    }
}
