using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Hardware;

/// <summary>
/// Configuration space of an opened device. The kernel has the access rules; two more are kept here, because what they
/// forbid would end the process: while BARs are mapped, COMMAND.MEM stays on and the function stays out of D3hot, as
/// the kernel answers an access to a BAR of a device that does not decode memory with SIGBUS. Thread-safe.
/// </summary>
internal sealed class DeviceConfigSpace
{
    private const int Command = 0x04, Status = 0x06, Revision = 0x08, CapabilityPointer = 0x34; // PCI 3.0, 6.1
    private const byte CommandMemory = 1 << 1, CommandMaster = 1 << 2;
    private const ushort CommandIntxDisable = 1 << 10;
    private const byte PowerManagement = 0x01; // capability id; PMCSR is at its offset 4, the power state in bits 0-1

    private readonly IDeviceWindows _device;
    private readonly string _address;
    private readonly ulong _offset;
    private readonly Func<PciException?>? _taken;
    private readonly int _powerState;
    private readonly Lock _gate = new();
    private bool _closed;

    /// <param name="device">Owned by the session.</param>
    /// <param name="address">The device, for messages.</param>
    /// <param name="offset">Where the space begins in the device file.</param>
    /// <param name="size">256 or 4096.</param>
    /// <param name="taken">Says why a device that refuses with ENODEV is there all the same: it was taken from this session; null: it is gone.</param>
    public DeviceConfigSpace(IDeviceWindows device, string address, ulong offset, int size, Func<PciException?>? taken = null)
    {
        (_device, _address, _offset, Size, _taken) = (device, address, offset, size, taken);
        _powerState = FindPowerState();
    }

    public int Size { get; }

    /// <inheritdoc cref="IPciSession.ReadConfig"/>
    public ulong Read(int offset, int width)
    {
        Check(offset, width);
        ulong value = Access(() => _device.Read(_offset + (uint)offset, width));
        return width > 1 && value == ulong.MaxValue >> (64 - (width * 8)) && IsGone() ? throw Gone(Errno.ENODEV) : value;
    }

    /// <inheritdoc cref="IPciSession.WriteConfig"/>
    public void Write(int offset, int width, ulong value)
    {
        Check(offset, width);
        value = Set(value, offset, width, Command, CommandMemory, on: true);
        if (_powerState != 0)
            value = Set(value, offset, width, _powerState, 0b11, on: false);
        lock (_gate)
        {
            if (_closed)
                throw DeviceFaults.Ended(_address);
            Access(() => _device.Write(_offset + (uint)offset, width, value));
        }
    }

    public void SetBusMaster(bool enabled)
    {
        lock (_gate)
        {
            if (_closed)
                throw DeviceFaults.Ended(_address);
            Put(CommandMaster, enabled);
        }
    }

    /// <summary>Masks INTx at the device by COMMAND bit 10, or lets it through.</summary>
    public void SetIntxMask(bool masked)
    {
        lock (_gate)
        {
            if (_closed)
                throw DeviceFaults.Ended(_address);
            Put(CommandIntxDisable, masked);
        }
    }

    /// <summary>Turns bus mastering off; nothing turns it on again.</summary>
    public void Close()
    {
        lock (_gate)
        {
            if (_closed)
                return;
            _closed = true;
            Put(CommandMaster, on: false);
        }
    }

    /// <summary>Whether the function answers reads with all ones; no function has all ones as class and revision.</summary>
    public bool IsGone()
    {
        try
        {
            return _device.Read(_offset + Revision, 4) == uint.MaxValue;
        }
        catch (NativeException)
        {
            return true;
        }
        catch (ObjectDisposedException)
        {
            return false; // ended, which says nothing of the device
        }
    }

    /// <summary>Why the device cannot be reached any more.</summary>
    public PciException Gone(Errno errno, Exception? inner = null) => _taken?.Invoke() ?? DeviceFaults.Gone(_address, errno, inner);

    /// <summary>Runs a call on the device and says what a failure means.</summary>
    public T Access<T>(Func<T> call, SessionFailure? failure = SessionFailure.CallFailed)
    {
        try
        {
            return call();
        }
        catch (NativeException fault)
        {
            if (fault.Errno == Errno.ENODEV || (fault.Errno == Errno.EIO && IsGone()))
                throw Gone(fault.Errno, fault);
            throw DeviceFaults.OnDevice(_address, fault, failure);
        }
        catch (ObjectDisposedException)
        {
            throw DeviceFaults.Ended(_address);
        }
    }

    /// <inheritdoc cref="Access{T}"/>
    public void Access(Action call, SessionFailure? failure = SessionFailure.CallFailed) =>
        Access(() =>
        {
            call();
            return 0;
        }, failure);

    private void Put(ulong bit, bool on) => Access(() =>
    {
        ulong command = _device.Read(_offset + Command, 2);
        if (command == ushort.MaxValue)
            throw new NativeException("pread(device)", Errno.ENODEV);
        _device.Write(_offset + Command, 2, (on ? command | bit : command & ~bit) | CommandMemory);
    });

    private void Check(int offset, int width)
    {
        if (width is not (1 or 2 or 4 or 8) || (offset & (width - 1)) != 0)
            throw new PciException(Errno.EINVAL, $"{width} bytes at offset 0x{offset:x} of configuration space are no aligned access", "Use 1, 2, 4 or 8 bytes at a multiple of that.");
        if (offset < 0 || offset > Size - width)
            throw new PciException(Errno.EFAULT, $"{width} bytes at offset 0x{offset:x} are past the end of configuration space, which has {Size}", "Stay within the space.");
    }

    // Sets or clears bits of the byte at `target` if the access covers it.
    private static ulong Set(ulong value, int offset, int width, int target, byte bits, bool on)
    {
        if (target < offset || target >= offset + width)
            return value;
        ulong mask = (ulong)bits << ((target - offset) * 8);
        return on ? value | mask : value & ~mask;
    }

    private int FindPowerState() => Access(() =>
    {
        const ulong HasCapabilities = 1 << 4; // STATUS bit 4

        if ((_device.Read(_offset + Status, 2) & HasCapabilities) == 0)
            return 0;
        int at = (int)_device.Read(_offset + CapabilityPointer, 1) & ~3;
        for (int seen = 0; at >= 0x40 && seen < 48; seen++) // 48 capabilities of 4 bytes fill the space: a circle ends
        {
            if (_device.Read(_offset + (uint)at, 1) == PowerManagement)
                return at + 4;
            at = (int)_device.Read(_offset + (uint)at + 1, 1) & ~3;
        }

        return 0;
    });
}
