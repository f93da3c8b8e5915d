using Riser.Actors.Backends;

namespace Riser.Actors.Reactor;

/// <summary>What can happen to watched memory.</summary>
internal enum MemoryEventKind
{
    /// <summary>It is not mapped any more: munmap, another mapping over it, or mremap made it smaller.</summary>
    Unmapped,

    /// <summary>mremap moved it; it is not watched at its new address.</summary>
    Moved,

    /// <summary>Its content is about to go, its addresses stay: MADV_DONTNEED, MADV_REMOVE.</summary>
    Dropped,
}

/// <summary>Something happened to watched memory.</summary>
/// <param name="Kind">What.</param>
/// <param name="Range">To which part of the range that was watched.</param>
/// <param name="NewAddress">Where the part is now when it was moved; otherwise 0.</param>
internal readonly record struct MemoryEvent(MemoryEventKind Kind, HostRange Range, ulong NewAddress);
