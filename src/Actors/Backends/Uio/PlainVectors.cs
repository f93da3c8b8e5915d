using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Uio;

/// <summary>
/// INTx by uio_pci_generic: the driver masks it after each interrupt (COMMAND bit 10) and counts, a thread turns the count into signals
/// of an eventfd. Unmasking is to clear that bit. Thread-safe.
/// </summary>
/// <param name="file">Owned by the session.</param>
/// <param name="counter">The file of sysfs that shows how many interrupts there have been since the driver was loaded.</param>
/// <param name="config">Where the mask is.</param>
/// <param name="kinds">INTx, if the device has it.</param>
/// <param name="address">The device, for names.</param>
internal sealed class PlainVectors(UioFile file, string counter, DeviceConfigSpace config, IReadOnlyList<VectorInfo> kinds, string address)
    : HardwareVectors(config, kinds, ahead: 0)
{
    private Pump? _pump;

    protected override int Take(VectorKind kind, EventFdHandle?[] wanted, int end, int ahead)
    {
        // It is masked, so the count stands still: what comes from here on is counted, and nothing else.
        _pump = new(file, uint.Parse(File.ReadAllText(counter)), wanted[0]!, address);
        try
        {
            Config.SetIntxMask(masked: false);
        }
        catch
        {
            Free(kind);
            throw;
        }

        return end;
    }

    protected override void Connect(VectorKind kind, int start, ReadOnlySpan<EventFdHandle?> eventFds)
    {
        Free(kind);
        Take(kind, [eventFds[0]], end: 1, ahead: 1);
    }

    protected override void Free(VectorKind kind)
    {
        try
        {
            Config.SetIntxMask(masked: true);
        }
        catch (PciException gone)
        {
            System.Diagnostics.Trace.TraceWarning($"Disarming INTx: {gone.Message}");
        }
        _pump?.Dispose();
        _pump = null;
    }

    protected override void SetMask(VectorKind kind, int vector, bool masked) => Config.SetIntxMask(masked);

    protected override void Raise(VectorKind kind, int start, int count) =>
        throw new PciException(Errno.EOPNOTSUPP, "Linux's UIO cannot signal an interrupt from software", "Let the device raise it, or bind the device to uio_pci_user or vfio-pci.");

    /// <summary>Waits for interrupts and signals them on, until it is disposed or the device is gone.</summary>
    private sealed class Pump : IDisposable
    {
        private readonly UioFile _file;
        private readonly EventFdHandle _eventFd;
        private readonly EventFdHandle _wake = EventFdHandle.Create();
        private readonly Thread _thread;
        private uint _seen;

        public Pump(UioFile file, uint seen, EventFdHandle eventFd, string address)
        {
            (_file, _seen, _eventFd) = (file, seen, eventFd);
            _thread = new(Run) { IsBackground = true, Name = $"riser-uio-{address}" };
            _thread.Start();
        }

        /// <summary>When it returns nothing is signalled any more.</summary>
        public void Dispose()
        {
            _wake.Signal();
            _thread.Join();
            _wake.Dispose();
        }

        private void Run()
        {
            while (IsReady())
            {
                uint count;
                try
                {
                    count = _file.ReadCount();
                }
                catch (NativeException gone) when (gone.Errno is Errno.EIO or Errno.ENODEV)
                {
                    return; // the heartbeat tells the session
                }

                uint fresh = count - _seen;
                _seen = count;
                try
                {
                    if (fresh > 0) // else what stood there before arming
                        _eventFd.Signal(fresh);
                }
                catch (Exception closed) when (closed is NativeException or ObjectDisposedException)
                {
                    return;
                }
            }
        }

        private bool IsReady()
        {
            PollFd[] ready = [new() { fd = _file.Number, events = LibC.POLLIN }, new() { fd = _wake.Number, events = LibC.POLLIN }];
            while (true)
            {
                int count = LibC.poll(ready, 2, -1);
                if (count < 0 && LibC.LastErrno == Errno.EINTR)
                    continue;
                return count > 0 && ready[1].revents == 0;
            }
        }
    }
}
