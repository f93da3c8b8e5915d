using Riser.Actors.Backends.Broker.Messages;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Broker;

/// <summary>
/// A device that the broker has given to this process: renews the lease on a thread of its own, and says when the device is
/// wanted back. Where the broker goes away the descriptor stays good, and the grant is taken up again when the broker is back.
/// Disposing it says that the device has been closed: close the descriptors first.
/// </summary>
internal sealed class BrokerGrant : IDisposable
{
    private readonly BrokerSettings _settings;
    private readonly DeviceId _device;
    private readonly EventFdHandle _end = EventFdHandle.Create();
    private readonly Thread _thread; // owns the connection once it runs
    private readonly Lock _gate = new();
    private BrokerConnection? _connection;
    private readonly ManualResetEventSlim _isWanted = new();
    private Action? _wanted;
    private bool _disposed;
    private TimeSpan _renewAfter;

    private BrokerGrant(BrokerSettings settings, DeviceId device, BrokerConnection connection, Granted granted, IReadOnlyList<FileDescriptor> descriptors)
    {
        (_settings, _device, _connection) = (settings, device, connection);
        (Device, Container) = (descriptors[0], descriptors.Count > 1 ? descriptors[1] : null);
        _renewAfter = RenewAfter(granted.LeaseMilliseconds);
        _thread = new(Keep) { IsBackground = true, Name = "riser-lease" };
        _thread.Start();
    }

    /// <summary>The opened device (for VFIO its group); the caller's to close.</summary>
    public FileDescriptor Device { get; }

    /// <summary>VFIO's container, where it was asked for; the caller's to close.</summary>
    public FileDescriptor? Container { get; }

    /// <summary>Asks for a device.</summary>
    /// <param name="settings">Where the broker is.</param>
    /// <param name="device">For VFIO any function of the group.</param>
    /// <param name="container">Also ask for VFIO's container.</param>
    /// <exception cref="PciException">What the broker said; or it does not answer.</exception>
    public static BrokerGrant Open(BrokerSettings settings, DeviceId device, bool container = false)
    {
        List<FileDescriptor> descriptors = [];
        var connection = BrokerConnection.Open(settings);
        try
        {
            var reply = connection.Ask(new Request { Open = new() { Device = device.ToString(), Container = container } }, descriptors);
            if (reply.AnswerCase != Reply.AnswerOneofCase.Granted || descriptors.Count != (container ? 2 : 1))
                throw new PciException(Errno.EPROTO, $"The broker answers {reply.AnswerCase} with {descriptors.Count} descriptors to a request for {device}", "Use the same version of both.");
            return new(settings, device, connection, reply.Granted, descriptors);
        }
        catch
        {
            descriptors.ForEach(d => d.Dispose());
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Whether the broker would give a device.</summary>
    /// <returns>Null when it would; else what it says.</returns>
    public static PciException? WhyNot(BrokerSettings settings, DeviceId device)
    {
        try
        {
            using var connection = BrokerConnection.Open(settings);
            connection.Ask(new Request { Ask = new() { Device = device.ToString() } }, []);
            return null;
        }
        catch (PciException refused)
        {
            return refused;
        }
    }

    /// <summary>Calls <paramref name="wanted"/> on the grant's thread when the broker wants the device back; at once when it does already.</summary>
    public void OnWanted(Action wanted)
    {
        bool already;
        lock (_gate)
        {
            _wanted += wanted;
            already = _isWanted.IsSet;
        }
        if (already)
            wanted();
    }

    /// <summary>Whether the broker wants the device back, or says so within a limit.</summary>
    public bool WaitWanted(TimeSpan limit) => _isWanted.Wait(limit);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            _disposed = true;
        }
        _end.Signal();
        if (Thread.CurrentThread != _thread)
            _thread.Join();
    }

    private void Keep()
    {
        using var end = _end;
        PollFd[] ready = [new() { fd = end.Number, events = LibC.POLLIN }, new() { events = LibC.POLLIN }];
        while (true)
        {
            ready[1].fd = _connection?.Descriptor ?? -1;
            int count = LibC.poll(ready, 2, (int)_renewAfter.TotalMilliseconds);
            if (count < 0 && LibC.LastErrno != Errno.EINTR)
                throw new NativeException("poll", LibC.LastErrno);
            if (end.Read() > 0)
                break;
            if (count < 0)
                continue;
            try
            {
                if (ready[1].revents != 0)
                    Heed(_connection!.Receive([]));
                else
                    Renew();
            }
            catch (PciException)
            {
                _connection?.Dispose(); // and try again when the next renewal is due
                _connection = null;
            }
        }
        _connection?.Dispose();
    }

    // The answer comes as everything comes that the broker says.
    private void Renew()
    {
        if (_connection is not null)
        {
            _connection.Send(new Request { Renew = new() });
            return;
        }
        _connection = BrokerConnection.Open(_settings);
        _connection.Send(new Request { Resume = new() { Device = _device.ToString() } });
    }

    private void Heed(Reply reply)
    {
        switch (reply.AnswerCase)
        {
            case Reply.AnswerOneofCase.Renewed:
                _renewAfter = RenewAfter(reply.Renewed.LeaseMilliseconds);
                break;
            case Reply.AnswerOneofCase.Wanted or Reply.AnswerOneofCase.TakenBack or Reply.AnswerOneofCase.Refused:
                Want();
                break;
            default:
                break;
        }
    }

    private void Want()
    {
        Action? wanted;
        lock (_gate)
        {
            if (_isWanted.IsSet)
                return;
            _isWanted.Set();
            wanted = _wanted;
        }
        wanted?.Invoke();
    }

    // Two renewals may get lost.
    private static TimeSpan RenewAfter(uint leaseMilliseconds) => TimeSpan.FromMilliseconds(Math.Max(leaseMilliseconds, 300) / 3);
}
