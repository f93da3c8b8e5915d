using System.Buffers.Binary;

namespace Riser.Actors.ConfigSpace;

/// <summary>
/// Builds the configuration space of a device made of software: its bytes, which bits of them a write changes, and which
/// a written one clears. Capabilities are chained in the order in which they are added.
/// </summary>
internal sealed class ConfigSpaceBuilder
{
    private int _standardLast = 0x33; // the byte before the pointer, as a capability's id stands before its next
    private int _standardFree = 0x40;
    private int _extendedLast;
    private int _extendedFree = 0x100;

    public byte[] Bytes { get; } = new byte[4096];

    /// <summary>Bits that a write changes.</summary>
    public byte[] Writable { get; } = new byte[4096];

    /// <summary>Bits that writing 1 clears.</summary>
    public byte[] ClearedByOne { get; } = new byte[4096];

    public ConfigSpaceBuilder Word(int offset, ushort value, ushort writable = 0)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(Bytes.AsSpan(offset), value);
        BinaryPrimitives.WriteUInt16LittleEndian(Writable.AsSpan(offset), writable);
        return this;
    }

    public ConfigSpaceBuilder Dword(int offset, uint value, uint writable = 0)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(Bytes.AsSpan(offset), value);
        BinaryPrimitives.WriteUInt32LittleEndian(Writable.AsSpan(offset), writable);
        return this;
    }

    /// <summary>Type 0 header; COMMAND takes IO, memory, bus master, parity, SERR and INTx disable.</summary>
    public ConfigSpaceBuilder Header(ushort vendor, ushort device, uint classCode, bool intx)
    {
        Word(0x00, vendor).Word(0x02, device).Word(0x04, 0, 0x0547).Word(0x06, 0x0010).Dword(0x08, (classCode << 8) | 1);
        Word(0x0c, 0, 0x00ff).Word(0x2c, vendor).Word(0x2e, 1);
        Bytes[0x3d] = intx ? (byte)1 : (byte)0;
        return this;
    }

    /// <summary>A BAR as firmware left it: an address and the type in its low bits.</summary>
    public ConfigSpaceBuilder Bar(int index, uint address, bool wide)
    {
        Dword(0x10 + (4 * index), address | (wide ? 0xcu : 0));
        return this;
    }

    /// <summary>Adds a standard capability at the next multiple of 4 and says where.</summary>
    public ConfigSpaceBuilder Standard(int id, int length, out int offset)
    {
        offset = _standardFree;
        if (offset + length > 0x100)
            throw new InvalidOperationException("The standard capabilities do not fit into 256 bytes.");
        Bytes[_standardLast + 1] = (byte)offset;
        Bytes[offset] = (byte)id;
        (_standardLast, _standardFree) = (offset, (offset + length + 3) & ~3);
        return this;
    }

    /// <summary>Adds an extended capability at the next multiple of 4 and says where.</summary>
    public ConfigSpaceBuilder Extended(int id, int version, int length, out int offset)
    {
        offset = _extendedFree;
        if (offset + length > 0x1000)
            throw new InvalidOperationException("The extended capabilities do not fit into 4096 bytes.");
        if (_extendedLast != 0)
            Dword(_extendedLast, BinaryPrimitives.ReadUInt32LittleEndian(Bytes.AsSpan(_extendedLast)) | ((uint)offset << 20));
        Dword(offset, (uint)id | ((uint)version << 16));
        (_extendedLast, _extendedFree) = (offset, (offset + length + 3) & ~3);
        return this;
    }
}
