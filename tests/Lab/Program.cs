using Riser.Actors.Backends;
using Riser.Actors.Interop;
using Riser.Actors.Specs.Backends;

namespace Riser.Lab.Specs;

/// <summary>
/// The other process of a spec: <c>hold DEVICE</c>, <c>open DEVICE</c>, <c>map DEVICE BYTES</c> or <c>interrupt DEVICE</c> (an edu). What it
/// has to say is one line.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        try
        {
            var device = DeviceId.Parse(arguments[1]);
            using var backend = Lab.BackendOf(device);
            using var session = backend.Open(device);
            switch (arguments[0])
            {
                case "hold": Hold(session); break;
                case "map": Map(session, ulong.Parse(arguments[2])); break;
                case "interrupt": Interrupt(session); break;
                default: break;
            }

            Console.WriteLine("done");
            return 0;
        }
        catch (PciException refused)
        {
            Console.WriteLine($"{refused.Errno}: {refused.Message}");
            return 1;
        }
    }

    // A device in full use: bus master, memory mapped, vectors armed. Ends when its input does, or by SIGKILL.
    private static void Hold(IPciSession session)
    {
        using var memory = new TestMemory(1 << 20);
        session.Map([memory.At(0x100000)]);
        var kind = session.Info.Vectors[^1];
        var eventFds = Enumerable.Range(0, kind.Count).Select(_ => EventFdHandle.Create()).ToArray();
        session.Arm(kind.Kind, 0, eventFds);
        Console.WriteLine("ready");
        Console.In.ReadToEnd();
    }

    private static void Map(IPciSession session, ulong bytes)
    {
        using var memory = new TestMemory(bytes);
        session.Map([memory.At(0x100000)]);
    }

    // INTx of an edu, ten times, by its registers alone.
    private static void Interrupt(IPciSession session)
    {
        using var eventFd = EventFdHandle.Create();
        session.Arm(VectorKind.IntX, 0, [eventFd]);
        for (int i = 0; i < 10; i++)
        {
            session.Bar(0).Write32(0x60, 1);
            Assert.Equal(1, Lab.Count(eventFd));
            session.Bar(0).Write32(0x64, 1);
            session.Mask(VectorKind.IntX, 0, masked: false);
        }
        Assert.Equal(0, eventFd.Read());
        session.Disarm(VectorKind.IntX);
    }
}
