using System.Runtime.CompilerServices;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends;

/// <summary>
/// The registers of one BAR, for a driver in the same process: a checked load or store of one instruction where the
/// backend can map the window, a call into the backend elsewhere. Thread-safe; accesses are volatile, naturally
/// aligned, little endian, never torn. Once its session has ended every access throws <see cref="PciException"/> with ENODEV.
/// </summary>
/// <exception cref="PciException">EINVAL: misaligned; EFAULT: past the end; EACCES: not readable or writable; ENODEV: the session has ended.</exception>
public sealed unsafe class Bar
{
    private readonly IBarTrap _trap;
    private readonly MemoryMapping? _mapping; // of the whole BAR; only Info.Mapped of it may be touched
    private readonly byte* _base;

    // How many bytes from offset 0 on are mapped, a multiple of 8; 0 sends every access the slow way. It is also what says that
    // access has ended: bounds and liveness are one load, which a read makes once more after its own.
    private volatile nuint _fast;
    private volatile bool _ended;
    private readonly Func<MemoryMapping>? _mapAgain;
    private readonly Lock? _calls; // of a lent accessor: no call into the backend is under way once it has been revoked

    /// <param name="info">What the BAR is.</param>
    /// <param name="mapping">An address range as long as the BAR, mapped to the device where <see cref="BarInfo.Mapped"/> says so; null when nothing is mapped.</param>
    /// <param name="trap">Takes every access outside the mapped ranges.</param>
    /// <param name="mapAgain">Makes another such address range, for an accessor that is lent; null when nothing is mapped.</param>
    internal Bar(BarInfo info, MemoryMapping? mapping, IBarTrap trap, Func<MemoryMapping>? mapAgain = null)
        : this(info, mapping, trap, mapAgain, calls: null)
    {
    }

    private Bar(BarInfo info, MemoryMapping? mapping, IBarTrap trap, Func<MemoryMapping>? mapAgain, Lock? calls)
    {
        Info = info;
        _mapAgain = mapAgain;
        _calls = calls;
        _mapping = mapping;
        _trap = trap;
        if (mapping is null || !info.Readable || !info.Writable)
            return;
        _base = (byte*)mapping.Address;
        foreach (var mapped in info.Mapped)
        {
            if (mapped.Offset == 0)
                _fast = (nuint)(mapped.Size & ~7UL); // so that an aligned access that begins inside also ends inside
        }
    }

    /// <summary>Size, access and mapped ranges.</summary>
    public BarInfo Info { get; }

    /// <summary>Reads 8 bits at <paramref name="offset"/> bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte Read8(ulong offset)
    {
        if (IsFast(offset, 1))
        {
            byte value = Volatile.Read(ref *(_base + offset));
            if (_fast != 0) // after the load: a value that came from a blanked page is never returned
                return value;
        }
        return (byte)ReadSlow(offset, 1);
    }

    /// <summary>Reads 16 bits at <paramref name="offset"/> bytes, a multiple of 2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ushort Read16(ulong offset)
    {
        if (IsFast(offset, 2))
        {
            ushort value = Volatile.Read(ref *(ushort*)(_base + offset));
            if (_fast != 0) // after the load: a value that came from a blanked page is never returned
                return value;
        }
        return (ushort)ReadSlow(offset, 2);
    }

    /// <summary>Reads 32 bits at <paramref name="offset"/> bytes, a multiple of 4.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public uint Read32(ulong offset)
    {
        if (IsFast(offset, 4))
        {
            uint value = Volatile.Read(ref *(uint*)(_base + offset));
            if (_fast != 0) // after the load: a value that came from a blanked page is never returned
                return value;
        }
        return (uint)ReadSlow(offset, 4);
    }

    /// <summary>Reads 64 bits at <paramref name="offset"/> bytes, a multiple of 8.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Read64(ulong offset)
    {
        if (IsFast(offset, 8))
        {
            ulong value = Volatile.Read(ref *(ulong*)(_base + offset));
            if (_fast != 0) // after the load: a value that came from a blanked page is never returned
                return value;
        }
        return ReadSlow(offset, 8);
    }

    /// <summary>Writes 8 bits at <paramref name="offset"/> bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Write8(ulong offset, byte value)
    {
        if (!IsFast(offset, 1))
            WriteSlow(offset, 1, value);
        else
            Volatile.Write(ref *(_base + offset), value);
        GC.KeepAlive(this); // its memory is not unmapped under the store
    }

    /// <summary>Writes 16 bits at <paramref name="offset"/> bytes, a multiple of 2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Write16(ulong offset, ushort value)
    {
        if (!IsFast(offset, 2))
            WriteSlow(offset, 2, value);
        else
            Volatile.Write(ref *(ushort*)(_base + offset), value);
        GC.KeepAlive(this); // its memory is not unmapped under the store
    }

    /// <summary>Writes 32 bits at <paramref name="offset"/> bytes, a multiple of 4.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Write32(ulong offset, uint value)
    {
        if (!IsFast(offset, 4))
            WriteSlow(offset, 4, value);
        else
            Volatile.Write(ref *(uint*)(_base + offset), value);
        GC.KeepAlive(this); // its memory is not unmapped under the store
    }

    /// <summary>Writes 64 bits at <paramref name="offset"/> bytes, a multiple of 8.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Write64(ulong offset, ulong value)
    {
        if (!IsFast(offset, 8))
            WriteSlow(offset, 8, value);
        else
            Volatile.Write(ref *(ulong*)(_base + offset), value);
        GC.KeepAlive(this); // its memory is not unmapped under the store
    }

    /// <summary>Reads <paramref name="width"/> (1, 2, 4 or 8) bytes.</summary>
    public ulong Read(ulong offset, int width) => width switch
    {
        1 => Read8(offset),
        2 => Read16(offset),
        4 => Read32(offset),
        8 => Read64(offset),
        _ => throw WrongWidth(width),
    };

    /// <summary>Writes the low <paramref name="width"/> (1, 2, 4 or 8) bytes of <paramref name="value"/>.</summary>
    public void Write(ulong offset, int width, ulong value)
    {
        switch (width)
        {
            case 1: Write8(offset, (byte)value); break;
            case 2: Write16(offset, (ushort)value); break;
            case 4: Write32(offset, (uint)value); break;
            case 8: Write64(offset, value); break;
            default: throw WrongWidth(width);
        }
    }

    /// <summary>
    /// A second accessor of the same registers, for one owner: it can be revoked without ending the session. It has a mapping of its own, so that
    /// an access that has just passed its check when it is revoked does not reach a device that is another's by then.
    /// </summary>
    /// <exception cref="PciException">As mmap(2): the window cannot be mapped once more.</exception>
    internal Bar Lend()
    {
        try
        {
            return new(Info, _mapping is null ? null : _mapAgain?.Invoke(), _trap, mapAgain: null, new Lock());
        }
        catch (NativeException fault)
        {
            throw new PciException(fault.Errno, $"BAR {Info.Index} cannot be mapped once more: {fault.Message}", "Free address space, or use ReadBar and WriteBar.", inner: fault);
        }
    }

    /// <summary>Ends access through this accessor alone. When it returns, nothing that was begun through it can reach the device any more.</summary>
    internal void Revoke()
    {
        if (_calls is null)
        {
            End();
            return;
        }
        lock (_calls)
            End();
    }

    /// <summary>
    /// Ends all access. The device's pages are replaced by empty ones before this returns, so that an access that has
    /// just passed its check touches nothing of the device, and the address range stays taken while anyone holds this object.
    /// </summary>
    internal void End()
    {
        _ended = true;
        _fast = 0;
        Interlocked.MemoryBarrier();
        _mapping?.Blank();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsFast(ulong offset, ulong width) => (offset & (width - 1)) == 0 && offset < _fast;

    // Never a part of its caller: the loop over mapped ranges in it would have the driver's own variables live in memory.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private ulong ReadSlow(ulong offset, int width)
    {
        Check(offset, width, Info.Readable, "read");
        if (!IsMapped(offset, width))
            return ReadTrapped(offset, width);
        ulong value = width switch
        {
            1 => Volatile.Read(ref *(_base + offset)),
            2 => Volatile.Read(ref *(ushort*)(_base + offset)),
            4 => Volatile.Read(ref *(uint*)(_base + offset)),
            _ => Volatile.Read(ref *(ulong*)(_base + offset)),
        };
        return _ended ? throw Ended() : value;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WriteSlow(ulong offset, int width, ulong value)
    {
        Check(offset, width, Info.Writable, "written");
        if (!IsMapped(offset, width))
            WriteTrapped(offset, width, value);
        else if (width == 1)
            Volatile.Write(ref *(_base + offset), (byte)value);
        else if (width == 2)
            Volatile.Write(ref *(ushort*)(_base + offset), (ushort)value);
        else if (width == 4)
            Volatile.Write(ref *(uint*)(_base + offset), (uint)value);
        else
            Volatile.Write(ref *(ulong*)(_base + offset), value);
        GC.KeepAlive(this);
    }

    private ulong ReadTrapped(ulong offset, int width)
    {
        if (_calls is null)
            return _trap.ReadBar(Info.Index, offset, width);
        lock (_calls)
            return _ended ? throw Ended() : _trap.ReadBar(Info.Index, offset, width);
    }

    private void WriteTrapped(ulong offset, int width, ulong value)
    {
        if (_calls is null)
        {
            _trap.WriteBar(Info.Index, offset, width, value);
            return;
        }
        lock (_calls)
        {
            if (_ended)
                throw Ended();
            _trap.WriteBar(Info.Index, offset, width, value);
        }
    }

    // What is mapped behind a hole, as the registers behind an MSI-X table are.
    private bool IsMapped(ulong offset, int width)
    {
        if (_base is null)
            return false;
        foreach (var mapped in Info.Mapped)
        {
            if (offset >= mapped.Offset && offset - mapped.Offset < mapped.Size && mapped.Size - (offset - mapped.Offset) >= (ulong)width)
                return true;
        }
        return false;
    }

    private void Check(ulong offset, int width, bool allowed, string what)
    {
        if (_ended)
            throw Ended();
        if ((offset & ((ulong)width - 1)) != 0)
            throw new PciException(Errno.EINVAL, $"Offset 0x{offset:x} of BAR {Info.Index} is not a multiple of the access width {width}", "Align the offset to the width.");
        if (offset >= Info.Size || Info.Size - offset < (ulong)width)
            throw new PciException(Errno.EFAULT, $"{width} bytes at offset 0x{offset:x} are past the end of BAR {Info.Index}, which has 0x{Info.Size:x} bytes", "Stay within the BAR.");
        if (!allowed)
            throw new PciException(Errno.EACCES, $"BAR {Info.Index} cannot be {what}", "Use a BAR that allows it.");
    }

    private PciException WrongWidth(int width) =>
        new(Errno.EINVAL, $"{width} bytes is no access width of BAR {Info.Index}", "Use 1, 2, 4 or 8.");

    private PciException Ended() =>
        new(Errno.ENODEV, $"The session that BAR {Info.Index} belongs to has ended, or its device was taken over", "Wait for SessionReady and ask the device for the BAR again; if it was taken over, only its owner can.");
}

/// <summary>The slow way to a BAR: one call for each access. Already checked for bounds and alignment.</summary>
internal interface IBarTrap
{
    ulong ReadBar(int index, ulong offset, int width);

    void WriteBar(int index, ulong offset, int width, ulong value);
}
