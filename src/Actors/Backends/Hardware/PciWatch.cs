using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Hardware;

/// <summary>
/// Tells which functions become and cease to be a backend's. The kernel's uevents say when to look, sysfs says what is there;
/// now and then sysfs is looked at without them, since they do not reach every sandbox and network namespace.
/// </summary>
internal sealed class PciWatch : IDisposable
{
    private const int SoonAgain = 100; // milliseconds

    private readonly PciSysfs _sysfs;
    private readonly Func<PciFunction, bool> _belongs;
    private readonly Func<PciFunction, DeviceDescription> _describe;
    private readonly Action<DeviceChange> _changed;
    private readonly UeventSocket? _uevents;
    private readonly int _timeout; // milliseconds
    private readonly EventFdHandle _wake = EventFdHandle.Create();
    private readonly Dictionary<string, Known> _known = new(StringComparer.Ordinal); // each is described once, when it comes: the broker is asked about those that cannot be opened
    private readonly Thread _thread; // owns both descriptors once it runs
    private int _disposed;

    public PciWatch(PciSysfs sysfs, Func<PciFunction, bool> belongs, Func<PciFunction, DeviceDescription> describe, Action<DeviceChange> changed, bool uevents, TimeSpan pollInterval)
    {
        (_sysfs, _belongs, _describe, _changed) = (sysfs, belongs, describe, changed);
        _uevents = uevents ? TrySubscribe() : null; // before the first look, so that nothing slips between
        _timeout = (int)pollInterval.TotalMilliseconds;
        bool isAll = TryFirstLook();
        _thread = new(() => Run(isAll ? _timeout : SoonAgain)) { IsBackground = true, Name = "riser-pci-watch" };
        _thread.Start();
    }

    /// <summary>Ends the watch. When it returns, no call is under way, unless it is called from within one.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _wake.Signal();
        if (Thread.CurrentThread != _thread)
            _thread.Join();
    }

    private void Run(int timeout)
    {
        using var wake = _wake;
        using var uevents = _uevents;
        PollFd[] ready = [new() { fd = _wake.Number, events = LibC.POLLIN }, new() { fd = _uevents?.Number ?? -1, events = LibC.POLLIN }];
        while (true)
        {
            int count = LibC.poll(ready, 2, timeout);
            if (count < 0 && LibC.LastErrno != Errno.EINTR)
                throw new NativeException("poll", LibC.LastErrno);
            if (count < 0)
                continue;
            if (_wake.Read() > 0)
                return;
            if (count == 0 || Drain())
                timeout = TryCompare() ? _timeout : Math.Min(_timeout, SoonAgain);
        }
    }

    // True when something came up that sysfs must be looked at for.
    private bool Drain()
    {
        bool look = false;
        while (_uevents is not null && _uevents.Receive(out bool lost) is var message && (lost || message.Length > 0))
        {
            look |= lost;
            if (Uevent.Parse(message) is not { } uevent)
                continue;
            look = true;
            if (uevent.Action == "remove" && _known.Remove(uevent.Address, out var gone)) // sysfs may still show it
                _changed(new DeviceChange.Removed(gone.Device.Id));
        }

        return look;
    }

    private PciFunction[] Look() => [.. _sysfs.All().Where(_belongs)];

    // What could not be seen is told of as if it came.
    private bool TryFirstLook() => Try(() =>
    {
        foreach (var function in Look())
            _known.Add(function.Address, Describe(function));
    });

    private bool TryCompare() => Try(() => Compare(Look()));

    // False: a function went while it was being looked at, or sysfs could not be read, and what there is has to be looked at again.
    private static bool Try(Action look)
    {
        try
        {
            look();
            return true;
        }
        catch (Exception passing) when (passing is IOException or UnauthorizedAccessException or PciException)
        {
            return false;
        }
    }

    private void Compare(PciFunction[] now)
    {
        // One that was bound anew between two looks has gone and come as well: its session has ended with the former binding.
        foreach (string address in _known.Where(k => !now.Any(f => f.Address == k.Key && f.Binding == k.Value.Binding)).Select(k => k.Key).ToArray())
        {
            _known.Remove(address, out var gone);
            _changed(new DeviceChange.Removed(gone.Device.Id));
        }

        foreach (var function in now.Where(f => !_known.ContainsKey(f.Address)))
        {
            var known = Describe(function);
            _known.Add(function.Address, known);
            _changed(new DeviceChange.Added(known.Device));
        }
    }

    private Known Describe(PciFunction function) => new(_describe(function), function.Binding);

    private static UeventSocket? TrySubscribe()
    {
        try
        {
            return UeventSocket.Create();
        }
        catch (NativeException)
        {
            return null;
        }
    }

    private readonly record struct Known(DeviceDescription Device, ulong Binding);
}
