using System.Diagnostics;
using Akka.Actor;
using Akka.Configuration;
using Riser.Actors;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interop;
using Riser.Actors.Interrupts;
using Xunit.Abstractions;

namespace Riser.Lab.Specs;

/// <summary>Devices of uio_pci_user as actors: what the module tells, asks and takes away, as messages.</summary>
public sealed class UioActorSpecs : Akka.TestKit.Xunit2.TestKit
{
    private static readonly Config s_config = ConfigurationFactory.ParseString("""
        akka.loglevel = WARNING
        akka.test.single-expect-default = 30s
        riser.backends.enabled = [uio]
        riser.restart.revoked { first = 100ms, longest = 1s }
        """);

    private IActorRef _device = ActorRefs.Nobody;

    public UioActorSpecs(ITestOutputHelper output)
        : base(s_config, output: output)
    {
    }

    [SkippableFact]
    public void Bytes_go_to_the_device_and_back_through_memory_of_the_kernel_and_over_a_restart()
    {
        using var binding = new UioBinding("EDU");
        Open("EDU");
        var memory = Ask<DeviceProtocol.MemoryAllocated>(new DeviceProtocol.AllocateMemory(8192)).Memory;
        var region = CreateRegion(memory);
        memory.Span(0, 4096).Fill(0x3c);
        Subscribe(0);
        CopyThereAndBack(region);
        Assert.False(memory.Span(4096, 4096).ContainsAnyExcept((byte)0x3c));
        memory.Span(4096, 4096).Clear();

        Sys.ActorSelection($"{_device.Path}/session-1").Tell(Kill.Instance);
        FishForMessage<DeviceProtocol.SessionReady>(ready => ready.Epoch == 2);

        CopyThereAndBack(region);
        Assert.False(memory.Span(4096, 4096).ContainsAnyExcept((byte)0x3c));
        CloseDevice();
    }

    [SkippableTheory]
    [InlineData(InvalidationCause.Unmapped)]
    [InlineData(InvalidationCause.Dropped)]
    public void Memory_that_goes_away_is_told_by_the_module_alone(InvalidationCause cause)
    {
        using var binding = new UioBinding("EDU");
        Open("EDU");
        var region = CreateRegion(DmaMemory.Allocate(8192)); // of Riser's own: no userfaultfd watches it on this backend
        region.Region.Tell(new DmaProtocol.Watch(), TestActor);
        ExpectMsg<DmaProtocol.Description>();

        nint address = (nint)region.Memory.Range.Address;
        if (cause == InvalidationCause.Unmapped) // by something else in its place: into a hole another thread could map what the region would then unmap
            Assert.NotEqual(-1, LibC.mmap(address, 4096, LibC.PROT_NONE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS | LibC.MAP_FIXED, -1, 0));
        else
            Assert.Equal(0, LibC.madvise(address, 4096, LibC.MADV_DONTNEED));

        var gone = ExpectMsg<DmaProtocol.Invalidated>();
        Assert.Equal((region.Range, cause), (gone.Range, gone.Cause));
        region.Region.Tell(new DmaProtocol.Describe(), TestActor);
        Assert.Equal(DmaRegionPhase.Invalidated, ExpectMsg<DmaProtocol.Description>().Phase);
        Assert.Equal(0UL, Ask<DeviceProtocol.Description>(new DeviceProtocol.Describe()).Counts.LockedBytes);
        CloseDevice();
    }

    [SkippableFact]
    public void Dropped_memory_is_mapped_again_where_that_is_the_policy()
    {
        using var binding = new UioBinding("EDU");
        Open("EDU");
        var region = Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(8192), Iova: 0x20_0000, Policy: InvalidationPolicy.Remap)));
        region.Region.Tell(new DmaProtocol.Watch(), TestActor);
        ExpectMsg<DmaProtocol.Description>();
        Subscribe(0);

        Assert.Equal(0, LibC.madvise((nint)region.Memory.Range.Address, 8192, LibC.MADV_DONTNEED));

        ExpectMsg<DmaProtocol.Invalidated>();
        Assert.Equal([region.Range], ExpectMsg<DmaProtocol.Mapped>().Ranges);
        region.Memory.Span(0, 4096).Fill(0x77);
        CopyThereAndBack(region);
        Assert.False(region.Memory.Span(4096, 4096).ContainsAnyExcept((byte)0x77));
        CloseDevice();
    }

    [SkippableTheory]
    [InlineData("NVME")]
    [InlineData("IGB")]
    [InlineData("IVSHMEM")]
    public void Collapsed_vectors_are_counted_on_one_channel(string name)
    {
        using var binding = new UioBinding(name);
        Open(name);
        int count = Ask<DeviceProtocol.Description>(new DeviceProtocol.Describe()).Info!.Vectors.Single(v => v.Kind == VectorKind.MsiX).Count;
        var vector = Assert.Single(Ask<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors(0, count, Collapsed: true)).Vectors);
        vector.Tell(new InterruptProtocol.Subscribe(), TestActor);
        ExpectMsg<InterruptProtocol.Subscribed>();

        vector.Tell(new InterruptProtocol.Trigger(100), TestActor);

        long taken = 0;
        FishForMessage<object>(m =>
        {
            taken += m is InterruptSignal signal ? signal.Take() : 0;
            return taken == 100L * count;
        });
        CloseDevice();
    }

    [SkippableFact]
    public void Affinity_and_a_hardware_mask_are_messages()
    {
        using var binding = new UioBinding("IVSHMEM");
        Open("IVSHMEM");
        var vector = Ask<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors()).Vectors[0];
        vector.Tell(new InterruptProtocol.Subscribe(), TestActor);
        ExpectMsg<InterruptProtocol.Subscribed>();

        vector.Tell(new InterruptProtocol.SetAffinity([0]), TestActor);
        Assert.Equal([0], ExpectMsg<InterruptProtocol.AffinitySet>().Cpus);
        vector.Tell(new InterruptProtocol.Mask(MaskPlace.Hardware), TestActor);
        ExpectMsg<InterruptProtocol.Masked>();
        vector.Tell(new InterruptProtocol.Trigger(5), TestActor);
        ExpectMsg<InterruptProtocol.Triggered>();
        vector.Tell(new InterruptProtocol.Unmask(MaskPlace.Hardware), TestActor);

        Assert.Equal(1, FishForMessage<InterruptSignal>(_ => true).Take()); // five were held back, as one
        CloseDevice();
    }

    [SkippableFact]
    public void An_error_is_told_and_answered_and_the_session_goes_on()
    {
        using var binding = new UioBinding("IGB");
        SkipWithoutErrors();
        Open("IGB");

        Inject(binding.Address);

        var error = ExpectMsg<DeviceProtocol.DeviceErrorDetected>();
        Assert.Equal((SessionEventKind.Error, DeviceErrorSeverity.Working), (error.Step, error.Severity));
        Assert.InRange(error.Deadline, TimeSpan.FromMilliseconds(1), TimeSpan.FromSeconds(2));
        Ask<DeviceProtocol.Replied>(new DeviceProtocol.Reply(error.Event, SessionReply.Recover));
        ExpectMsg<DeviceProtocol.DeviceErrorOver>();
        Assert.Equal(1, Ask<DeviceProtocol.Description>(new DeviceProtocol.Describe()).Epoch);
        CloseDevice();
    }

    [SkippableFact]
    public void An_error_that_nobody_answers_for_begins_a_new_session()
    {
        using var binding = new UioBinding("IGB");
        SkipWithoutErrors();
        Open("IGB");

        Inject(binding.Address);

        ExpectMsg<DeviceProtocol.DeviceErrorDetected>();
        // The kernel may have asked its next question before the first one is found late.
        Assert.Equal(SessionFailure.DeviceError, FishForMessage<DeviceProtocol.SessionLost>(_ => true).Failure);
        FishForMessage<DeviceProtocol.SessionReady>(ready => ready.Epoch >= 2);
        CloseDevice();
    }

    [SkippableFact]
    public void A_device_that_is_revoked_loses_its_session_and_is_opened_again()
    {
        using var binding = new UioBinding("IVSHMEM");
        Open("IVSHMEM");
        var vector = Ask<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors()).Vectors[0];
        vector.Tell(new InterruptProtocol.Subscribe(), TestActor);
        ExpectMsg<InterruptProtocol.Subscribed>();

        binding.Revoke();

        Assert.Equal(SessionFailure.Revoked, FishForMessage<DeviceProtocol.SessionLost>(_ => true).Failure);
        Assert.Equal(2, FishForMessage<DeviceProtocol.SessionReady>(_ => true).Epoch);
        vector.Tell(new InterruptProtocol.Trigger(), TestActor);
        Assert.Equal(1, FishForMessage<InterruptSignal>(_ => true).Take());
        CloseDevice();
    }

    [SkippableFact]
    public void A_removal_waits_for_the_owner_and_the_device_comes_back()
    {
        using var binding = new UioBinding("TESTDEV");
        Open("TESTDEV");

        var unbinding = Task.Run(() => Lab.Bind(binding.Address, "none")); // waits in the kernel for the session to end
        var asked = ExpectMsg<DeviceProtocol.RemovalRequested>();
        Ask<DeviceProtocol.Replied>(new DeviceProtocol.Reply(asked.Event, SessionReply.Disconnect));

        Assert.Equal(SessionFailure.RemovalRequested, ExpectMsg<DeviceProtocol.SessionLost>().Failure);
        Assert.True(unbinding.Wait(TimeSpan.FromSeconds(30)));
        Lab.Bind(binding.Address, "uio_pci_user");
        Assert.Equal(2, FishForMessage<DeviceProtocol.SessionReady>(_ => true).Epoch);
        CloseDevice();
    }

    private static void SkipWithoutErrors() =>
        Skip.IfNot(File.Exists("/dev/aer_inject") || Process.Start("modprobe", "aer_inject")!.WaitForExit(10_000), "This kernel cannot inject errors.");

    /// <summary>A non-fatal error of the function, as the root port reports it (struct aer_error_inj of Linux).</summary>
    private static void Inject(string address)
    {
        const uint CompletionTimeout = 0x4000; // uncorrectable, non-fatal

        var parts = address.Split(':', '.');
        byte[] error = new byte[32];
        error[0] = Convert.ToByte(parts[1], 16);
        error[1] = Convert.ToByte(parts[2], 16);
        error[2] = Convert.ToByte(parts[3], 16);
        BitConverter.TryWriteBytes(error.AsSpan(4), CompletionTimeout);
        BitConverter.TryWriteBytes(error.AsSpan(28), Convert.ToUInt32(parts[0], 16));
        using var injector = new FileStream("/dev/aer_inject", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        injector.Write(error);
    }

    private void Open(string name)
    {
        _device = DeviceRuntime.For(Sys).FindAsync(Lab.UioDevice(name)).GetAwaiter().GetResult();
        _device.Tell(new DeviceProtocol.Open(), TestActor);
        ExpectMsg<DeviceProtocol.SessionReady>();
    }

    private void CloseDevice() => Ask<DeviceProtocol.Closed>(new DeviceProtocol.Close());

    private T Ask<T>(object command)
    {
        _device.Tell(command, TestActor);
        return FishForMessage<T>(_ => true);
    }

    private DeviceProtocol.DmaRegionCreated CreateRegion(DmaMemory memory) =>
        Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(memory, Iova: 0x20_0000))); // edu reaches 28 bits

    private void Subscribe(int vector)
    {
        var opened = Ask<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors(vector)).Vectors[0];
        opened.Tell(new InterruptProtocol.Subscribe(), TestActor);
        ExpectMsg<InterruptProtocol.Subscribed>();
    }

    private void CopyThereAndBack(DeviceProtocol.DmaRegionCreated region)
    {
        var bar = Ask<DeviceProtocol.BarOpened>(new DeviceProtocol.OpenBar(0)).Bar;
        Copy(bar, region.Range.Start, Edu.Buffer, toRam: false);
        Copy(bar, Edu.Buffer, region.Range.Start + 4096, toRam: true);
    }

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
