using Riser.Actors.Interop;

namespace Riser.Actors.Reactor;

/// <summary>One eventfd that a loop watches, edge triggered. Owns the eventfd. Thread-safe.</summary>
internal sealed class SignalSource : ISignalInterest
{
    // Without interest it stays edge triggered, so that an error condition, which the kernel always reports, is reported once.
    private const uint Wanted = LibC.EPOLLIN | LibC.EPOLLET;
    private const uint Unwanted = LibC.EPOLLET;

    private readonly Lock _gate = new(); // no call on the descriptor while it is taken out of the set
    private readonly EventLoop _loop;
    private readonly EpollHandle _epoll;
    private readonly ISignalHandler _handler;
    private bool _disposed;

    internal SignalSource(EventLoop loop, EpollHandle epoll, EventFdHandle eventFd, ISignalHandler handler, ulong token)
    {
        (_loop, _epoll, EventFd, _handler, Token) = (loop, epoll, eventFd, handler, token);
    }

    /// <summary>The counter. Nobody but the caller ever reads it; disposing the source is what closes it.</summary>
    public EventFdHandle EventFd { get; }

    /// <summary>What epoll knows this source by; never used again.</summary>
    internal ulong Token { get; }

    /// <summary>The loop that calls the handler.</summary>
    internal EventLoop Loop => _loop;

    /// <summary>
    /// Stops reporting. Loses nothing: signals go on adding to the counter. An edge that the loop has already taken from
    /// the kernel may still be delivered. Does nothing once disposed.
    /// </summary>
    public void Suspend() => SetInterest(Unwanted);

    /// <summary>Reports again; a counter that was not read is reported at once. Does nothing once disposed.</summary>
    public void Resume() => SetInterest(Wanted);

    /// <summary>
    /// Takes the eventfd out of the loop and closes it. Off the loop's thread it waits for a delivery that is under way, so
    /// that no <see cref="ISignalHandler.OnSignal"/> runs after it returns; on the loop's thread none runs from here on.
    /// </summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _disposed = true;
                try
                {
                    _epoll.Remove(EventFd);
                }
                finally
                {
                    _loop.Forget(this);
                }
            }
        }

        _loop.WaitUntilDelivered(); // outside the lock: the delivery may be waiting for it
        EventFd.Dispose();
    }

    internal void Start() => _epoll.Add(EventFd, Wanted, Token);

    internal void Deliver() => _handler.OnSignal();

    private void SetInterest(uint interest)
    {
        lock (_gate)
        {
            if (!_disposed)
                _epoll.Modify(EventFd, interest, Token);
        }
    }
}
