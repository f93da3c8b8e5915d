using Riser.Actors.Backends;
using Riser.Actors.Interop;

namespace Riser.Lab.Specs;

/// <summary>QEMU's educational device (docs/specs/edu.rst): a few registers, MSI, and a DMA engine that reaches 28 bits.</summary>
internal sealed class Edu : IDisposable
{
    public const ulong Buffer = 0x40000; // the engine's own address of its 4 KiB

    public Edu(IPciSession session)
    {
        (Session, Registers) = (session, session.Bar(0));
        session.Arm(VectorKind.Msi, 0, [Interrupts]);
    }

    public IPciSession Session { get; }

    public Bar Registers { get; }

    public EventFdHandle Interrupts { get; } = EventFdHandle.Create();

    /// <summary>Moves bytes between RAM and the device's buffer, and waits for its interrupt.</summary>
    public void Copy(ulong source, ulong destination, ulong size, bool toRam)
    {
        const ulong Start = 1, ToRam = 2, Interrupt = 4;

        Registers.Write64(0x80, source);
        Registers.Write64(0x88, destination);
        Registers.Write64(0x90, size);
        Registers.Write64(0x98, Start | Interrupt | (toRam ? ToRam : 0));
        Assert.Equal(1, Lab.Count(Interrupts));
        Registers.Write32(0x64, Registers.Read32(0x24));
    }

    public void Dispose()
    {
        Session.Dispose();
        Interrupts.Dispose();
    }
}
