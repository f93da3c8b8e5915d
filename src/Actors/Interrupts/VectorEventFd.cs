using Riser.Actors.Interop;

namespace Riser.Actors.Interrupts;

/// <summary>
/// Another descriptor of a vector's eventfd, for KVM or for another process; <see cref="InterruptProtocol.DuplicateEventFd"/> answers it.
/// Whoever received it disposes it; the vector does not need it. Thread-safe.
/// </summary>
public sealed class VectorEventFd : IDisposable
{
    private readonly EventFdHandle _handle;

    internal VectorEventFd(EventFdHandle handle) => _handle = handle;

    /// <summary>
    /// The descriptor's number in this process, for <c>KVM_IRQFD</c> or an <c>SCM_RIGHTS</c> message: close-on-exec, non-blocking,
    /// and valid until <see cref="Dispose"/>.
    /// </summary>
    /// <exception cref="ObjectDisposedException">It was closed.</exception>
    public int Descriptor
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            return _handle.Number;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();
}
