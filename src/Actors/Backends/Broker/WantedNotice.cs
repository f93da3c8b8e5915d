using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Broker;

/// <summary>
/// Carries the broker's wish to have a device back to the sessions that use it, through the same eventfds that the kernel
/// signals for a removal. A wish from before a session connects reaches it as it connects. Thread-safe.
/// </summary>
internal sealed class WantedNotice
{
    private readonly Lock _gate = new();
    private readonly Dictionary<object, EventFdHandle> _eventFds = new(ReferenceEqualityComparer.Instance);
    private bool _isRaised;

    /// <summary>Whether the device is wanted back; it stays so.</summary>
    public bool IsRaised
    {
        get
        {
            lock (_gate)
                return _isRaised;
        }
    }

    /// <param name="session">Who hears of it.</param>
    /// <param name="eventFd">Stays its owner's; null ends it.</param>
    public void Connect(object session, EventFdHandle? eventFd)
    {
        lock (_gate)
        {
            _eventFds.Remove(session);
            if (eventFd is null)
                return;
            _eventFds.Add(session, eventFd);
            if (_isRaised)
                Signal(eventFd);
        }
    }

    public void Raise()
    {
        lock (_gate)
        {
            _isRaised = true;
            foreach (var eventFd in _eventFds.Values)
                Signal(eventFd);
        }
    }

    private static void Signal(EventFdHandle eventFd)
    {
        bool held = false;
        try
        {
            eventFd.DangerousAddRef(ref held);
            eventFd.Signal();
        }
        catch (ObjectDisposedException)
        {
            // Whoever waited for it has ended.
        }
        finally
        {
            if (held)
                eventFd.DangerousRelease();
        }
    }
}
