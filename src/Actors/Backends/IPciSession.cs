using Riser.Actors.Interop;

namespace Riser.Actors.Backends;

/// <summary>
/// One opened handle on a device. Thread-safe; calls may block. A call happens whole or throws <see cref="PciException"/>
/// and leaves everything as it was. After <see cref="IDisposable.Dispose"/> every call throws ENODEV.
/// </summary>
/// <remarks>
/// Dispose ends a session in this order: bus mastering off, reset, vectors disarmed, mappings removed, handle closed.
/// No step's failure keeps the next from happening. It may be called more than once and while other calls run.
/// </remarks>
public interface IPciSession : IDisposable
{
    /// <summary>What was found at opening; does not change during the session.</summary>
    SessionInfo Info { get; }

    /// <summary>The register window of one BAR. The same object each time; it refuses access once the session has ended.</summary>
    /// <param name="index">0 to 5, or 6 for the expansion ROM.</param>
    Bar Bar(int index);

    /// <summary>Reads configuration space.</summary>
    /// <param name="offset">Bytes; a multiple of <paramref name="width"/>.</param>
    /// <param name="width">1, 2, 4 or 8 bytes.</param>
    /// <exception cref="PciException">EINVAL: misaligned or a wrong width; EFAULT: past the end of the space.</exception>
    ulong ReadConfig(int offset, int width);

    /// <summary>Writes configuration space as far as the access rules allow; what they forbid is dropped without an error.</summary>
    /// <inheritdoc cref="ReadConfig" path="/param|/exception"/>
    void WriteConfig(int offset, int width, ulong value);

    /// <summary>Lets the device reach memory. All pieces or none.</summary>
    /// <exception cref="PciException">
    /// EEXIST: overlaps a mapping; EINVAL: misaligned, outside the aperture, or on a reserved range; EOVERFLOW: wraps;
    /// ENOMEM: over RLIMIT_MEMLOCK (the message says needed against allowed); ENOSPC: too many mappings; EFAULT: memory that cannot be pinned.
    /// Where <see cref="IommuInfo.GivesAddresses"/> also EOPNOTSUPP: a piece names an IOVA; EINVAL: memory of one piece that is not in one run; EEXIST:
    /// memory that is mapped already.
    /// </exception>
    /// <returns>Null: at the IOVAs that the pieces name. Where <see cref="IommuInfo.GivesAddresses"/>: each piece's range, in the same order.</returns>
    IReadOnlyList<IovaRange>? Map(IReadOnlyList<DmaPiece> pieces);

    /// <summary>Takes exactly one earlier piece away. On return no DMA can reach it; without an IOMMU it is no longer pinned, and that is all.</summary>
    /// <exception cref="PciException">ENOENT: no piece at this IOVA; EINVAL: the size is not the piece's (a piece is never split).</exception>
    void Unmap(IovaRange range);

    /// <summary>
    /// Connects vectors <paramref name="start"/> and up with eventfds, in one call; the first call for a kind enables it.
    /// Null leaves a vector unconnected. Vectors may be added later where <see cref="VectorInfo.CanGrow"/>; otherwise the
    /// backend re-arms all of them, and no count is lost. The caller keeps ownership of the eventfds.
    /// </summary>
    /// <exception cref="PciException">EINVAL: start and count outside the vectors of this kind, or another kind is armed; ENOSPC: the host has no vectors left; EBUSY: all would have to be re-armed, and a vector is masked.</exception>
    internal void Arm(VectorKind kind, int start, IReadOnlyList<EventFdHandle?> eventFds);

    /// <summary>Disconnects all vectors of a kind and disables it. Nothing is signalled after it returns.</summary>
    void Disarm(VectorKind kind);

    /// <summary>Masks or unmasks one vector in hardware.</summary>
    /// <exception cref="PciException">EOPNOTSUPP: <see cref="VectorInfo.CanMask"/> is false; EINVAL: the vector is out of range or not armed.</exception>
    void Mask(VectorKind kind, int vector, bool masked);

    /// <summary>Signals armed vectors from software, through the backend (for VFIO the kernel's loopback trigger).</summary>
    /// <exception cref="PciException">EINVAL: out of range or not armed.</exception>
    void Trigger(VectorKind kind, int start, int count);

    /// <summary>Connects a notice of the session with an eventfd; null disconnects it. A backend ignores a notice that it never gives.</summary>
    internal void Connect(SessionNotice notice, EventFdHandle? eventFd);

    /// <summary>Lets interrupts of one armed vector be handled on these CPUs alone, until it is set again or the vector is disarmed.</summary>
    /// <param name="kind">The kind that is armed.</param>
    /// <param name="vector">The vector.</param>
    /// <param name="cpus">Numbers of CPUs that the machine has, at least one of them online, all allowed to the calling thread.</param>
    /// <exception cref="PciException">
    /// EOPNOTSUPP: the backend has no say in it; EINVAL: the vector is not armed, the machine has no such CPU, or none of them is online;
    /// EPERM: a CPU is not the caller's to use; EIO: the interrupt controller cannot.
    /// </exception>
    void SetAffinity(VectorKind kind, int vector, IReadOnlyList<int> cpus) => throw new PciException(
        Errno.EOPNOTSUPP,
        "This backend cannot say where a vector's interrupts are handled",
        "Bind the device to uio_pci_user, or write to /proc/irq/<number>/smp_affinity as root.");

    /// <summary>What has been unmapped since the last call because its memory went away; empty for backends that have no notifier of their own.</summary>
    IReadOnlyList<Invalidation> TakeInvalidations();

    /// <summary>
    /// What <see cref="SessionNotice.DeviceError"/> and <see cref="SessionNotice.RemovalRequested"/> were about, oldest first. Null: the
    /// backend says no more than the notice itself, and waits for no answer.
    /// </summary>
    IReadOnlyList<SessionEvent>? TakeEvents() => null;

    /// <summary>Answers an event that waits for it.</summary>
    /// <exception cref="PciException">ENOENT: nobody waits for it (any more); EINVAL: the event does not have this answer.</exception>
    void Reply(long sequence, SessionReply reply) => throw new PciException(
        Errno.ENOENT,
        $"Nobody waits for an answer to event {sequence}",
        "This backend tells without asking.");

    /// <summary>Memory from the kernel that only this process and its devices use. It belongs to its descriptor, not to the session.</summary>
    /// <param name="size">Bytes, a multiple of the page size, or of 2 MiB if <paramref name="huge"/>.</param>
    /// <param name="huge">In physically contiguous pieces of 2 MiB.</param>
    /// <exception cref="PciException">EOPNOTSUPP: the backend has none; ENOMEM: over RLIMIT_MEMLOCK, or there is no such memory.</exception>
    internal FileDescriptor AllocateBuffer(ulong size, bool huge) => throw new PciException(
        Errno.EOPNOTSUPP,
        "This backend has no memory of its own to give",
        "Allocate it with DmaMemory.Allocate, or bind the device to uio_pci_user.");

    /// <summary>Bus mastering on or off: without it the device can neither do DMA nor send MSI.</summary>
    void SetBusMaster(bool enabled);

    /// <summary>Resets the function (FLR or the best it has). Mappings and vectors stay; BAR contents are the device's reset values.</summary>
    /// <exception cref="PciException">EOPNOTSUPP: <see cref="SessionInfo.CanReset"/> is false; EBUSY: a reset of the group needs other devices too.</exception>
    /// <returns>Whether other functions were reset along with it (a hot reset): their sessions have to begin anew.</returns>
    bool Reset();
}

/// <summary>A piece that is no longer mapped, because its memory went away.</summary>
/// <param name="Piece">The whole piece, as it was mapped.</param>
/// <param name="Cause">How the memory went away.</param>
public readonly record struct Invalidation(IovaRange Piece, InvalidationCause Cause);

/// <summary>How memory went away.</summary>
public enum InvalidationCause
{
    /// <summary>munmap, or another mapping laid over it.</summary>
    Unmapped,

    /// <summary>mremap.</summary>
    Moved,

    /// <summary>The content was dropped under a living address: MADV_DONTNEED, MADV_REMOVE, truncate, hole punching.</summary>
    Dropped,

    /// <summary>The process that owned it is gone.</summary>
    Exited,
}

/// <summary>Something a session tells through an eventfd of its own.</summary>
public enum SessionNotice
{
    /// <summary>The device reported an uncorrectable error.</summary>
    DeviceError,

    /// <summary>The kernel asks for the device back.</summary>
    RemovalRequested,

    /// <summary>Memory under a mapping went away; <see cref="IPciSession.TakeInvalidations"/> says which.</summary>
    Invalidation,
}
