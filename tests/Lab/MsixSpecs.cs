using Riser.Actors.Backends;
using Riser.Actors.Interop;

namespace Riser.Lab.Specs;

public sealed class MsixSpecs
{
    [SkippableTheory]
    [InlineData("NVME")]
    [InlineData("IGB")]
    [InlineData("IVSHMEM")]
    public void Every_trigger_of_every_vector_is_counted(string name)
    {
        using var session = Lab.Backend().Open(Lab.Device(name));
        int count = session.Info.Vectors.Single(v => v.Kind == VectorKind.MsiX).Count;
        var eventFds = Enumerable.Range(0, count).Select(_ => EventFdHandle.Create()).ToArray();
        session.Arm(VectorKind.MsiX, 0, eventFds);
        long[] sent = new long[count], received = new long[count];
        var random = new Random(count);

        for (int i = 0; i < 10_000; i++)
        {
            int start = random.Next(count), length = random.Next(1, count - start + 1);
            session.Trigger(VectorKind.MsiX, start, length);
            for (int vector = start; vector < start + length; vector++)
                sent[vector]++;
            received[start] += eventFds[start].Read();
        }

        for (int vector = 0; vector < count; vector++)
            received[vector] += eventFds[vector].Read();
        Assert.Equal(sent, received);
        session.Dispose();
        Array.ForEach(eventFds, e => e.Dispose());
    }

    [SkippableFact]
    public void Vectors_grow_one_by_one_without_losing_a_count()
    {
        using var session = Lab.Backend().Open(Lab.Device("NVME"));
        var kind = session.Info.Vectors.Single(v => v.Kind == VectorKind.MsiX);
        var eventFds = Enumerable.Range(0, kind.Count).Select(_ => EventFdHandle.Create()).ToArray();

        for (int vector = 0; vector < kind.Count; vector++)
        {
            session.Arm(VectorKind.MsiX, vector, [eventFds[vector]]);
            session.Trigger(VectorKind.MsiX, 0, vector + 1);
        }

        Assert.Equal(Enumerable.Range(0, kind.Count).Select(v => (long)kind.Count - v), eventFds.Select(e => e.Read()));
        session.Dispose();
        Array.ForEach(eventFds, e => e.Dispose());
    }

    [SkippableFact]
    public void Vectors_that_another_party_rings_arrive()
    {
        using var session = Lab.Backend().Open(Lab.Device("IVSHMEM"));
        EventFdHandle[] eventFds = [EventFdHandle.Create(), EventFdHandle.Create()];
        session.Arm(VectorKind.MsiX, 0, eventFds);
        using var doorbell = new StreamReader(new FileStream(Environment.GetEnvironmentVariable("LAB_DOORBELL")!, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0));

        for (int i = 0; i < 10; i++)
        {
            doorbell.BaseStream.Write(System.Text.Encoding.ASCII.GetBytes($"{i % 2} 1\n"));
            Assert.Equal($"{i % 2} 1", doorbell.ReadLine());
            Assert.Equal(1, Lab.Count(eventFds[i % 2]));
        }

        session.Dispose();
        Array.ForEach(eventFds, e => e.Dispose());
    }

    [SkippableFact]
    public void Table_cannot_be_written_around_the_kernel()
    {
        using var session = Lab.Backend().Open(Lab.Device("IVSHMEM"));
        using var eventFd = EventFdHandle.Create();
        session.Arm(VectorKind.MsiX, 0, [eventFd]);

        // MSI-X control, PCI 3.0 6.8.2.3: the enable bit belongs to the kernel.
        int capability = (int)session.ReadConfig(0x34, 1);
        while (session.ReadConfig(capability, 1) != 0x11)
            capability = (int)session.ReadConfig(capability + 1, 1);
        ulong before = session.ReadConfig(capability + 2, 2);
        session.WriteConfig(capability + 2, 2, 0);

        Assert.Equal(before, session.ReadConfig(capability + 2, 2));
        session.Dispose();
    }
}
