namespace Riser.Actors.Backends.Simulation;

/// <summary>
/// BAR 0 of a pony: 4 KiB of control registers, little endian, read and written in 4 or 8 bytes (a register of 8 bytes
/// also in halves); 1 and 2 bytes read a part and write nothing. What is not listed reads 0 and ignores writes.
/// BAR 2 is plain memory; BAR 4 holds the MSI-X table and the pending bits, read-only.
/// </summary>
public static class PonyRegisters
{
    /// <summary>Read-only, 4 bytes: <see cref="IdValue"/>.</summary>
    public const ulong Id = 0x000;

    /// <summary>What <see cref="Id"/> reads: "PONY" in ASCII.</summary>
    public const uint IdValue = 0x594e4f50;

    /// <summary>Read-only, 4 bytes: the version of this map, 1.</summary>
    public const ulong Version = 0x004;

    /// <summary>Read-only, 4 bytes: 0 rainbow, 1 glitter.</summary>
    public const ulong Mode = 0x008;

    /// <summary>Read-only, 4 bytes: MSI-X vectors.</summary>
    public const ulong Vectors = 0x00c;

    /// <summary>4 bytes: bit 0 lets the pony make load. Reset value: 1.</summary>
    public const ulong Control = 0x010;

    /// <summary>4 bytes: load in interrupts per second; 0 for none. Reset value: the configuration's.</summary>
    public const ulong Rate = 0x014;

    /// <summary>4 bytes: <see cref="StatusBusy"/>, <see cref="StatusDone"/>, <see cref="StatusError"/>; writing 1 clears done and error.</summary>
    public const ulong Status = 0x018;

    /// <summary>A command runs.</summary>
    public const uint StatusBusy = 1;

    /// <summary>A command has ended well.</summary>
    public const uint StatusDone = 2;

    /// <summary>A command has failed; see <see cref="Error"/>.</summary>
    public const uint StatusError = 4;

    /// <summary>Read-only, 4 bytes: a <see cref="PonyError"/>, of the last command.</summary>
    public const ulong Error = 0x01c;

    /// <summary>8 bytes: the IOVA (for <see cref="PonyCommand.ToMemory"/> the BAR 2 offset) that a command reads.</summary>
    public const ulong Source = 0x020;

    /// <summary>8 bytes: the IOVA (for <see cref="PonyCommand.FromMemory"/> the BAR 2 offset) that a command writes.</summary>
    public const ulong Destination = 0x028;

    /// <summary>8 bytes: how many bytes a command moves.</summary>
    public const ulong Length = 0x030;

    /// <summary>4 bytes: the vector that the end of a command raises; all ones for none. Reset value: all ones.</summary>
    public const ulong CompletionVector = 0x038;

    /// <summary>Write-only, 4 bytes: a <see cref="PonyCommand"/> begins. Ignored while one runs, but for <see cref="PonyCommand.Stop"/>.</summary>
    public const ulong Command = 0x03c;

    /// <summary>8 bytes: the seed of <see cref="PonyCommand.Fill"/>'s pattern, which <see cref="PonyPattern"/> makes and checks.</summary>
    public const ulong Pattern = 0x040;

    /// <summary>Read-only, 8 bytes: FNV-1a (64 bit) of the bytes that the last command moved.</summary>
    public const ulong Checksum = 0x048;

    /// <summary>Read-only, 8 bytes: bytes that the present or last command has moved.</summary>
    public const ulong Moved = 0x050;

    /// <summary>Read-only, 8 bytes: where the last failed command was refused, in bytes from its beginning.</summary>
    public const ulong FailedAt = 0x058;

    /// <summary>Write-only, 4 bytes: raises the vector that is written.</summary>
    public const ulong Doorbell = 0x060;

    /// <summary>4 bytes: keeps what is written.</summary>
    public const ulong Scratch = 0x064;

    /// <summary>Write-only, 4 bytes: bits 0-11 a vector that load passes over while bit 31 is set.</summary>
    public const ulong Mute = 0x068;

    /// <summary>Read-only, 8 bytes: interrupts that load has raised since the last reset, lost ones included.</summary>
    public const ulong LoadRaised = 0x070;

    /// <summary>Read-only, 8 bytes: bytes that load has moved since the last reset.</summary>
    public const ulong LoadMoved = 0x078;

    /// <summary>Read-only, 8 bytes: DMA of load that was refused since the last reset.</summary>
    public const ulong LoadErrors = 0x080;

    /// <summary>Read-only, 8 bytes: commands that have ended well since the last reset.</summary>
    public const ulong Commands = 0x088;

    /// <summary>8 bytes: IOVA of the ring into which load writes frames that <see cref="PonyPattern.Verify"/> checks.</summary>
    public const ulong RingBase = 0x090;

    /// <summary>4 bytes: frames in the ring, up to 65536; 0 turns DMA load off. Reset value: 0.</summary>
    public const ulong RingFrames = 0x098;

    /// <summary>4 bytes: bytes of a ring slot, 64 to 65536. Rainbow fills it, glitter a random part of it.</summary>
    public const ulong RingFrameSize = 0x09c;

    /// <summary>Read-only, 8 bytes: frames written since the ring was set up; frame n is in slot n mod <see cref="RingFrames"/>.</summary>
    public const ulong RingProduced = 0x0a0;

    /// <summary>8 bytes: frames that the driver is done with. The pony writes none that is <see cref="RingFrames"/> ahead of it.</summary>
    public const ulong RingConsumed = 0x0a8;
}

/// <summary>What is written to <see cref="PonyRegisters.Command"/>.</summary>
public enum PonyCommand
{
    /// <summary>Ends the running command with <see cref="PonyError.Stopped"/>.</summary>
    Stop,

    /// <summary>Copies from the source IOVA to the destination IOVA, ascending.</summary>
    Copy,

    /// <summary>Writes a pattern to the destination IOVA.</summary>
    Fill,

    /// <summary>Reads the source IOVA, for its checksum.</summary>
    Sum,

    /// <summary>Copies from BAR 2 to the destination IOVA.</summary>
    ToMemory,

    /// <summary>Copies from the source IOVA to BAR 2.</summary>
    FromMemory,
}

/// <summary>Why a command of a pony failed.</summary>
public enum PonyError
{
    /// <summary>It did not.</summary>
    None,

    /// <summary>The IOMMU refused an address.</summary>
    Refused,

    /// <summary>The command is unknown, its length is 0, or it does not fit into BAR 2.</summary>
    BadCommand,

    /// <summary>Bus mastering is off.</summary>
    NotBusMaster,

    /// <summary>It was stopped.</summary>
    Stopped,
}
