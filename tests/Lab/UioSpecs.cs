using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;
using Riser.Actors.Specs.Backends;

namespace Riser.Lab.Specs;

/// <summary>What uio_pci_user has beyond the contract: the session, without an actor.</summary>
public sealed class UioSpecs
{
    private const ulong Iova = 0x200000;

    [SkippableFact]
    public void Bytes_of_a_buffer_go_to_the_device_and_back_and_outlive_the_session()
    {
        using var binding = new UioBinding("EDU");
        using var memory = Buffer(8192, huge: false);
        new Random(5).NextBytes(memory.Span(0, 4096));
        for (int round = 0; round < 2; round++)
        {
            using var edu = new Edu(Lab.UioBackend().Open(Lab.UioDevice("EDU")));
            memory.Span(4096, 4096).Clear();
            edu.Session.Map([memory.Piece(Iova, 0, 8192, DmaAccess.ReadWrite)]);
            edu.Copy(Iova, Edu.Buffer, 4096, toRam: false);
            edu.Copy(Edu.Buffer, Iova + 4096, 4096, toRam: true);

            Assert.True(memory.Span(0, 4096).SequenceEqual(memory.Span(4096, 4096)));
        }
    }

    [SkippableFact]
    public void A_huge_buffer_is_locked_while_it_is_held_and_given_back()
    {
        using var binding = new UioBinding("EDU");
        ulong before = Memlock.Now().Locked;
        using (var memory = Buffer(4 << 20, huge: true))
        {
            memory.Span(0, 4 << 20).Fill(1);
            Assert.Equal(before + (4 << 20), Memlock.Now().Locked);
        }

        Assert.True(Lab.Until(() => Memlock.Now().Locked == before));
    }

    [SkippableTheory]
    [InlineData("unmapped", InvalidationCause.Unmapped)]
    [InlineData("moved", InvalidationCause.Unmapped)] // the module sees memory go, not where to
    [InlineData("dropped", InvalidationCause.Dropped)]
    [InlineData("overlaid", InvalidationCause.Unmapped)]
    public void Memory_that_goes_away_is_unmapped_by_the_module_and_told(string how, InvalidationCause cause)
    {
        using var binding = new UioBinding("EDU");
        using var edu = new Edu(Lab.UioBackend().Open(Lab.UioDevice("EDU")));
        using var notice = EventFdHandle.Create();
        edu.Session.Connect(SessionNotice.Invalidation, notice);
        var memory = MemoryMapping.Create(2 * 4096, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS);
        using var other = new TestMemory(4096);
        var piece = new DmaPiece(Iova, new((ulong)memory.Address, 2 * 4096), DmaAccess.ReadWrite);
        edu.Session.Map([piece, other.At(Iova + 0x10000)]);
        edu.Copy(Iova, Edu.Buffer, 4096, toRam: false);

        switch (how)
        {
            case "unmapped": memory.Dispose(); break;
            case "moved":
                Assert.NotEqual(-1, LibC.mremap(memory.Address, 2 * 4096, 4 * 4096, LibC.MREMAP_MAYMOVE | LibC.MREMAP_FIXED, Reserve(4 * 4096)));
                memory.SetHandleAsInvalid(); // what is at the address from now on is somebody else's to unmap
                break;
            case "dropped": Assert.Equal(0, LibC.madvise(memory.Address, 4096, LibC.MADV_DONTNEED)); break;
            default: memory.Blank(); break;
        }

        Assert.Equal(1, Lab.Count(notice));
        Assert.Equal([new(piece.Range, cause)], edu.Session.TakeInvalidations());
        Assert.Empty(edu.Session.TakeInvalidations());
        other.Bytes.Fill(0x3c);
        edu.Copy(Iova + 0x10000, Edu.Buffer, 4096, toRam: false); // its neighbour lives
        edu.Session.Unmap(piece.Range);
        edu.Session.Map([other.At(Iova)]); // and the place is free
        memory.Dispose();
    }

    [SkippableFact]
    public void A_full_queue_of_records_still_names_every_piece_that_is_gone_and_no_other()
    {
        const int Pieces = 3000; // more than the module keeps records for

        using var binding = new UioBinding("EDU");
        using var session = Lab.UioBackend().Open(Lab.UioDevice("EDU"));
        using var memory = new TestMemory(Pieces * 4096);
        DmaPiece[] all = [.. Enumerable.Range(0, Pieces).Select(i => new DmaPiece(Iova + ((ulong)i * 4096), new(memory.Range.Address + ((ulong)i * 4096), 4096), DmaAccess.ReadWrite))];
        session.Map(all);
        for (int i = 0; i < Pieces; i += 2) // every other one
            Assert.Equal(0, LibC.madvise((nint)all[i].Host.Address, 4096, LibC.MADV_DONTNEED));

        HashSet<IovaRange> gone = [];
        Assert.True(Lab.Until(() =>
        {
            gone.UnionWith(session.TakeInvalidations().Select(i => i.Piece));
            return gone.Count >= Pieces / 2;
        }, seconds: 60));

        Assert.True(gone.SetEquals(all.Where((_, i) => i % 2 == 0).Select(p => p.Range)));
        Assert.Equal(Errno.EEXIST, Assert.Throws<PciException>(() => session.Map([all[1]])).Errno);
    }

    [SkippableFact]
    public void One_vector_is_masked_in_hardware_and_the_others_are_not()
    {
        using var binding = new UioBinding("NVME");
        using var session = Lab.UioBackend().Open(Lab.UioDevice("NVME"));
        EventFdHandle[] eventFds = [EventFdHandle.Create(), EventFdHandle.Create(), EventFdHandle.Create()];
        session.Arm(VectorKind.MsiX, 0, eventFds);
        session.Mask(VectorKind.MsiX, 1, masked: true);

        for (int i = 0; i < 4; i++)
            session.Trigger(VectorKind.MsiX, 0, 3);

        Assert.Equal([4L, 0, 4], eventFds.Select(e => e.Read()));
        session.Mask(VectorKind.MsiX, 1, masked: false);
        Assert.Equal(1, eventFds[1].Read());
        session.Dispose();
        Array.ForEach(eventFds, e => e.Dispose());
    }

    [SkippableTheory]
    [InlineData("NVME")]
    [InlineData("IGB")]
    [InlineData("IVSHMEM")]
    public void One_eventfd_counts_every_trigger_of_all_vectors(string name)
    {
        using var binding = new UioBinding(name);
        using var session = Lab.UioBackend().Open(Lab.UioDevice(name));
        int count = session.Info.Vectors.Single(v => v.Kind == VectorKind.MsiX).Count;
        using var eventFd = EventFdHandle.Create();
        session.Arm(VectorKind.MsiX, 0, [.. Enumerable.Repeat(eventFd, count)]);
        var random = new Random(count);

        long sent = 0;
        for (int i = 0; i < 2000; i++)
        {
            int start = random.Next(count), length = random.Next(1, count - start + 1);
            session.Trigger(VectorKind.MsiX, start, length);
            sent += length;
        }

        Assert.Equal(sent, eventFd.Read());
        session.Dispose();
    }

    [SkippableFact]
    public void Affinity_is_what_the_kernel_says_of_the_interrupt()
    {
        using var binding = new UioBinding("IVSHMEM");
        using var session = Lab.UioBackend().Open(Lab.UioDevice("IVSHMEM"));
        using var eventFd = EventFdHandle.Create();
        session.Arm(VectorKind.MsiX, 0, [eventFd]);

        session.SetAffinity(VectorKind.MsiX, 0, [0]);

        string irq = File.ReadLines("/proc/interrupts").Single(l => l.Contains($"uio_pci_user[{binding.Address}] 0")).Split(':')[0].Trim();
        Assert.Equal("0", File.ReadAllText($"/proc/irq/{irq}/smp_affinity_list").Trim());
        Assert.Equal(Errno.EINVAL, Refused(() => session.SetAffinity(VectorKind.MsiX, 0, [4000])));
        var refused = Assert.Throws<PciException>(() => session.SetAffinity(VectorKind.MsiX, 0, [0, 63, 4000]));
        Assert.Equal((Errno.EINVAL, "The machine has no CPU 63, 4000"), (refused.Errno, refused.Why));
        Assert.Equal(Errno.EINVAL, Refused(() => session.SetAffinity(VectorKind.MsiX, 1, [0]))); // not armed
        session.Trigger(VectorKind.MsiX, 0, 1);
        Assert.Equal(1, eventFd.Read());
        session.Dispose();
    }

    [SkippableFact]
    public void Reset_restores_registers_and_keeps_mappings_and_vectors()
    {
        const ulong ReceiveAddressLow = 0x5400; // 82576 datasheet, 8.10.12

        using var binding = new UioBinding("IGB");
        using var session = Lab.UioBackend().Open(Lab.UioDevice("IGB"));
        using var memory = new TestMemory(4096);
        using var eventFd = EventFdHandle.Create();
        session.Map([memory.At(0x100000)]);
        session.Arm(VectorKind.MsiX, 0, [eventFd]);
        var bar = session.Bar(0);
        uint address = bar.Read32(ReceiveAddressLow);
        bar.Write32(ReceiveAddressLow, ~address);

        session.Reset();

        Assert.Equal(address, bar.Read32(ReceiveAddressLow));
        session.Trigger(VectorKind.MsiX, 0, 1);
        Assert.Equal(1, eventFd.Read());
        session.Unmap(memory.At(0x100000).Range);
        session.Dispose();
    }

    [SkippableFact]
    public void A_device_that_is_revoked_refuses_and_can_be_opened_anew()
    {
        using var binding = new UioBinding("IVSHMEM");
        using var backend = Lab.UioBackend();
        using var requested = EventFdHandle.Create();
        var session = backend.Open(Lab.UioDevice("IVSHMEM"));
        session.Connect(SessionNotice.RemovalRequested, requested);
        var memory = session.Bar(2);
        memory.Write32(0x200, 7);

        binding.Revoke();

        Assert.NotEqual(0, Lab.Count(requested));
        Assert.Equal(SessionFailure.Revoked, Assert.Throws<PciException>(() => session.TakeEvents()).Failure);
        Assert.Equal(SessionFailure.Revoked, Assert.Throws<PciException>(() => session.ReadConfig(0, 4)).Failure);
        memory.Write32(0x200, 8); // in the mapping, and nowhere else; without the module's page this were the end of the process
        memory.Read32(0x204);
        Assert.Equal(0, Lab.Command(binding.Address) & 4);
        using (var next = backend.Open(Lab.UioDevice("IVSHMEM")))
        {
            Assert.Equal(0x1af4UL, next.ReadConfig(0, 2));
            Assert.Equal(7U, next.Bar(2).Read32(0x200));
        }
        session.Dispose();
        Assert.Equal(0, Lab.Command(binding.Address) & 4);
    }

    [SkippableFact]
    public void Device_is_quiet_after_kill_9_and_opens_again()
    {
        using var binding = new UioBinding("EDU").ForEveryone();
        using var holder = Lab.StartAsNobody("hold", $"{Lab.UioDevice("EDU")}");
        Assert.Equal("ready", holder.StandardOutput.ReadLine());
        Assert.Equal(4, Lab.Command(binding.Address) & 4);
        Assert.Equal(Errno.EBUSY, Refused(() => Lab.UioBackend().Open(Lab.UioDevice("EDU"))));

        holder.Kill(); // SIGKILL

        Assert.True(Lab.Until(() => (Lab.Command(binding.Address) & 4) == 0));
        holder.WaitForExit();
        using var session = Lab.UioBackend().Open(Lab.UioDevice("EDU"));
        Assert.Equal(0x010000edu, session.Bar(0).Read32(0));
    }

    [SkippableFact]
    public void Map_of_an_unprivileged_user_says_needed_and_allowed_when_it_is_too_much()
    {
        using var binding = new UioBinding("EDU").ForEveryone();
        using var fits = Lab.StartAsNobody("map", $"{Lab.UioDevice("EDU")}", $"{4 << 20}");
        Assert.Equal("done", fits.StandardOutput.ReadLine());
        fits.WaitForExit();
        using var refused = Lab.StartAsNobody("map", $"{Lab.UioDevice("EDU")}", $"{16 << 20}");
        Assert.Matches("^ENOMEM: .*needed 1[67][0-9]{6} .*allowed 8388608 .*ulimit -l", refused.StandardOutput.ReadLine());
        refused.WaitForExit();
    }

    [SkippableFact]
    public void Open_names_the_node_when_the_user_has_no_permission()
    {
        using var binding = new UioBinding("EDU");
        using var nobody = Lab.StartAsNobody("open", $"{Lab.UioDevice("EDU")}");

        string said = nobody.StandardOutput.ReadToEnd();
        Assert.StartsWith($"EACCES: No permission to open {binding.Node}", said);
        Assert.Contains("SUBSYSTEM==\"uio_pci_user\"", said);
    }

    [SkippableFact]
    public void Open_names_the_offender_when_the_group_is_not_viable()
    {
        using var binding = new UioBinding("SHARED_A");

        var refused = Assert.Throws<PciException>(() => Lab.UioBackend().Open(Lab.UioDevice("SHARED_A")));

        Assert.Equal(Errno.EINVAL, refused.Errno);
        Assert.Contains($"{Lab.Address("SHARED_B")} is bound to uio_pci_generic", refused.Why);
    }

    private static Actors.Dma.DmaMemory Buffer(ulong size, bool huge)
    {
        using var session = Lab.UioBackend().Open(Lab.UioDevice("EDU"));
        return Actors.Dma.DmaMemory.FromDevice(size, huge, session.AllocateBuffer);
    }

    private static nint Reserve(nuint size)
    {
        nint address = LibC.mmap(0, size, LibC.PROT_NONE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS, -1, 0);
        Assert.NotEqual(-1, address);
        return address;
    }

    private static Errno Refused(Action call) => Assert.Throws<PciException>(call).Errno;
}
