using Akka.Actor;
using Newtonsoft.Json;
using Riser.Actors.Backends;
using Riser.Actors.Dma;

namespace Riser.Actors.Devices;

/// <summary>
/// What one can say to a device, and what it answers. Every command answers its reply, <see cref="Refused"/>, or
/// <see cref="SessionLost"/> when the session ended while the command was under way; none is silently dropped.
/// </summary>
public static class DeviceProtocol
{
    /// <summary>Anything that a device accepts.</summary>
    public interface ICommand;

    /// <summary>Anything that a device tells those who <see cref="Watch"/> it.</summary>
    public interface IEvent;

    /// <summary>
    /// Opens the device for one owner, who is watched: when it dies the device is closed. Answers <see cref="SessionReady"/>
    /// once a session is open (after restarts, if need be), <see cref="Quarantined"/> when that was given up, or
    /// <see cref="Refused"/> with EBUSY while another owner has it.
    /// </summary>
    /// <param name="Owner">Who owns the device; null: the sender.</param>
    public sealed record Open(IActorRef? Owner = null) : ICommand;

    /// <summary>Makes another actor the owner; the first is told <see cref="Revoked"/>, and its register accessors end. The session goes on. Answers as <see cref="Open"/>.</summary>
    /// <param name="Owner">The new owner; null: the sender.</param>
    public sealed record TakeOver(IActorRef? Owner = null) : ICommand;

    /// <summary>Ends the session, stops the device's DMA regions and vectors, frees their memory. Answers <see cref="Closed"/>.</summary>
    public sealed record Close : ICommand;

    /// <summary>Answers <see cref="Description"/>, in every state.</summary>
    public sealed record Describe : ICommand;

    /// <summary>Sends the sender every <see cref="IEvent"/> from now on, after a first <see cref="Description"/>. A watcher that dies is forgotten.</summary>
    public sealed record Watch : ICommand;

    /// <summary>Ends <see cref="Watch"/>. Answers <see cref="Unwatched"/>.</summary>
    public sealed record Unwatch : ICommand;

    /// <summary>Lets a quarantined device try again with a fresh restart budget. Answers as <see cref="Open"/>.</summary>
    public sealed record Resume : ICommand;

    /// <summary>Reads a register. Answers <see cref="BarValue"/>.</summary>
    /// <param name="Bar">0 to 5, or 6 for the expansion ROM.</param>
    /// <param name="Offset">Bytes, a multiple of <paramref name="Width"/>.</param>
    /// <param name="Width">1, 2, 4 or 8 bytes.</param>
    public sealed record ReadBar(int Bar, ulong Offset, int Width) : ICommand;

    /// <summary>Writes a register. Answers <see cref="BarWritten"/>.</summary>
    /// <inheritdoc cref="ReadBar" path="/param"/>
    public sealed record WriteBar(int Bar, ulong Offset, int Width, ulong Value) : ICommand;

    /// <summary>Reads configuration space. Answers <see cref="ConfigValue"/>.</summary>
    /// <param name="Offset">Bytes, a multiple of <paramref name="Width"/>.</param>
    /// <param name="Width">1, 2, 4 or 8 bytes.</param>
    public sealed record ReadConfig(int Offset, int Width) : ICommand;

    /// <summary>Writes configuration space as far as the access rules allow. Answers <see cref="ConfigWritten"/>.</summary>
    /// <inheritdoc cref="ReadConfig" path="/param"/>
    public sealed record WriteConfig(int Offset, int Width, ulong Value) : ICommand;

    /// <summary>
    /// Asks for the direct register accessor of a BAR. Answers <see cref="BarOpened"/>. Only for the owner, in the same
    /// process; the accessor ends with the session or with the ownership.
    /// </summary>
    public sealed record OpenBar(int Bar) : ICommand;

    /// <summary>Makes a DMA region and maps it. Answers <see cref="DmaRegionCreated"/>. The region takes the memory over, which never leaves the process.</summary>
    public sealed record CreateDmaRegion(DmaRegionOptions Options) : ICommand, INoSerializationVerificationNeeded;

    /// <summary>
    /// Arms vectors, all in one call, and starts an actor for each. Answers <see cref="VectorsOpened"/>; vectors that are open already are
    /// answered as they are. Refused with EMFILE, ENFILE (open files) or ENOSPC (epoll watches) where the process has no room for their eventfds.
    /// </summary>
    /// <param name="Start">First vector.</param>
    /// <param name="Count">How many; at least 1.</param>
    /// <param name="Kind">Null: the kind in use, else the best that the device has (MSI-X, MSI, INTx).</param>
    /// <param name="Collapsed">
    /// All of them on one event channel, for a program that has one handler, as with a single MSI: one actor, called as the first
    /// vector, counts the signals of all.
    /// </param>
    public sealed record OpenVectors(int Start = 0, int Count = 1, VectorKind? Kind = null, bool Collapsed = false) : ICommand;

    /// <summary>
    /// Asks the kernel for memory that fork, reclaim and the splitting of huge pages never touch (<c>uio</c>): the best memory for a new
    /// driver. It belongs to the DMA region that it is given to, and outlives sessions. Answers <see cref="MemoryAllocated"/>.
    /// </summary>
    /// <param name="Size">Bytes, more than 0; rounded up to whole pages, or to 2 MiB if <paramref name="Huge"/>.</param>
    /// <param name="Huge">In physically contiguous pieces of 2 MiB.</param>
    public sealed record AllocateMemory(ulong Size, bool Huge = false) : ICommand;

    /// <summary>
    /// Answers an event that waits for it: <see cref="DeviceErrorDetected"/>, <see cref="SuspendRequested"/> or
    /// <see cref="RemovalRequested"/> (to which any answer says: now). Only for the owner. Answers <see cref="Replied"/>.
    /// </summary>
    /// <param name="Event">As the event names itself.</param>
    /// <param name="Answer">What the kernel is to do.</param>
    public sealed record Reply(long Event, SessionReply Answer) : ICommand;

    /// <summary>
    /// Resets the function; the session, its mappings and its vectors stay. Where only a reset of the whole group is to be had, the other
    /// functions' sessions begin anew. Answers <see cref="ResetDone"/>.
    /// </summary>
    public sealed record Reset : ICommand;

    /// <summary>The device has an open session.</summary>
    /// <param name="Device">Which device.</param>
    /// <param name="Epoch">The session's number; grows with every session of this device.</param>
    /// <param name="Info">What the session found.</param>
    public sealed record SessionReady(DeviceId Device, long Epoch, SessionInfo Info) : IEvent;

    /// <summary>
    /// A session ended against its owner's will; as an answer: the command may or may not have reached the device. DMA regions and vectors
    /// stay; they work again after <see cref="SessionReady"/>.
    /// </summary>
    /// <param name="Device">Which device.</param>
    /// <param name="Epoch">The session that ended.</param>
    /// <param name="Failure">Why.</param>
    /// <param name="Why">The story, in words.</param>
    /// <param name="Command">As an answer: the command that got lost.</param>
    public sealed record SessionLost(DeviceId Device, long Epoch, SessionFailure Failure, string Why, object? Command = null) : IEvent, INoSerializationVerificationNeeded; // goes where its command can

    /// <summary>
    /// The device reported an error, or recovery from one has come a step further. The owner answers with <see cref="Reply"/> within the
    /// deadline; if it does not, the kernel goes on as it does without a driver's word, and the session is lost.
    /// </summary>
    /// <param name="Device">Which device.</param>
    /// <param name="Epoch">The session.</param>
    /// <param name="Event">Names the event in a reply.</param>
    /// <param name="Step">Error, RegistersReachable or LinkReset.</param>
    /// <param name="Severity">Of the first step: what the error has left of the device.</param>
    /// <param name="Deadline">How long an answer is waited for.</param>
    public sealed record DeviceErrorDetected(DeviceId Device, long Epoch, long Event, SessionEventKind Step, DeviceErrorSeverity? Severity, TimeSpan Deadline) : IEvent;

    /// <summary>Recovery from an error is over, and the session goes on.</summary>
    public sealed record DeviceErrorOver(DeviceId Device, long Epoch) : IEvent;

    /// <summary>The system wants to suspend. The owner lets it (Recover) or refuses (Disconnect) by <see cref="Reply"/>; without an answer it goes ahead.</summary>
    /// <inheritdoc cref="DeviceErrorDetected" path="/param"/>
    public sealed record SuspendRequested(DeviceId Device, long Epoch, long Event, TimeSpan Deadline) : IEvent;

    /// <summary>The system is back, or has not suspended after all.</summary>
    public sealed record SystemResumed(DeviceId Device, long Epoch) : IEvent;

    /// <summary>
    /// The kernel asks for the device back. The session ends when the owner answers, and after half of the deadline by itself.
    /// </summary>
    /// <inheritdoc cref="DeviceErrorDetected" path="/param"/>
    public sealed record RemovalRequested(DeviceId Device, long Epoch, long Event, TimeSpan Deadline) : IEvent;

    /// <summary>The device is not tried again until <see cref="Resume"/>.</summary>
    public sealed record Quarantined(DeviceId Device, SessionFailure Failure, string Why) : IEvent;

    /// <summary>The device has no session and no owner.</summary>
    public sealed record Closed(DeviceId Device) : IEvent;

    /// <summary>Told to an owner: another has taken the device over.</summary>
    public sealed record Revoked(DeviceId Device, IActorRef By);

    /// <summary>Answer to <see cref="Unwatch"/>.</summary>
    public sealed record Unwatched(DeviceId Device);

    /// <summary>Answer to <see cref="ReadBar"/>.</summary>
    public sealed record BarValue(int Bar, ulong Offset, int Width, ulong Value);

    /// <summary>Answer to <see cref="WriteBar"/>.</summary>
    public sealed record BarWritten(int Bar, ulong Offset, int Width);

    /// <summary>Answer to <see cref="ReadConfig"/>.</summary>
    public sealed record ConfigValue(int Offset, int Width, ulong Value);

    /// <summary>Answer to <see cref="WriteConfig"/>.</summary>
    public sealed record ConfigWritten(int Offset, int Width);

    /// <summary>Answer to <see cref="OpenBar"/>; never leaves the process.</summary>
    public sealed record BarOpened(Bar Bar, long Epoch) : INoSerializationVerificationNeeded;

    /// <summary>Answer to <see cref="CreateDmaRegion"/>; never leaves the process.</summary>
    /// <param name="Region">Understands <see cref="DmaProtocol"/>; valid across sessions.</param>
    /// <param name="Memory">The memory, to read and write directly; valid until the region ends.</param>
    /// <param name="Range">Where the device sees it.</param>
    public sealed record DmaRegionCreated(IActorRef Region, DmaMemory Memory, IovaRange Range) : INoSerializationVerificationNeeded;

    /// <summary>Answer to <see cref="OpenVectors"/>, in order of vector.</summary>
    /// <param name="Kind">The kind that was armed.</param>
    /// <param name="Vectors">Each understands <see cref="Interrupts.InterruptProtocol"/>; valid across sessions. Collapsed: one.</param>
    public sealed record VectorsOpened(VectorKind Kind, [property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<IActorRef> Vectors);

    /// <summary>Answer to <see cref="AllocateMemory"/>; never leaves the process.</summary>
    /// <param name="Memory">The memory: give it to a region, or dispose it.</param>
    public sealed record MemoryAllocated(DmaMemory Memory) : INoSerializationVerificationNeeded;

    /// <summary>Answer to <see cref="Reply"/>.</summary>
    public sealed record Replied(DeviceId Device, long Event);

    /// <summary>Answer to <see cref="Reset"/>.</summary>
    /// <param name="Device">Which device.</param>
    /// <param name="OthersToo">Whether other functions of its IOMMU group were reset along with it.</param>
    public sealed record ResetDone(DeviceId Device, bool OthersToo);

    /// <summary>What a device is and does at one moment.</summary>
    /// <param name="Device">What the backend found.</param>
    /// <param name="State">Where it is in its life.</param>
    /// <param name="Epoch">The present or last session; 0 before the first.</param>
    /// <param name="Restarts">Sessions that had to be opened again.</param>
    /// <param name="Owner">Who opened it; null when closed.</param>
    /// <param name="Info">What the present or last session found; null before the first.</param>
    /// <param name="LastFault">Why the last session ended against its owner's will; null when none did.</param>
    /// <param name="Counts">What has passed through it, over all sessions.</param>
    public sealed record Description(
        DeviceDescription Device,
        DevicePhase State,
        long Epoch,
        int Restarts,
        IActorRef? Owner,
        SessionInfo? Info,
        string? LastFault,
        DeviceCounts Counts);

    /// <summary>Counts of one device over all sessions.</summary>
    /// <param name="Vectors">Vectors that are open.</param>
    /// <param name="Interrupts">eventfd signals that were collected.</param>
    /// <param name="Messages">Messages that told of them; fewer when several arrive as one.</param>
    /// <param name="Triggers">Signals that were asked for through <see cref="Interrupts.InterruptProtocol.Trigger"/>.</param>
    /// <param name="DmaRegions">DMA regions that exist.</param>
    /// <param name="LockedBytes">Bytes mapped for the device now.</param>
    public sealed record DeviceCounts(int Vectors, long Interrupts, long Messages, long Triggers, int DmaRegions, ulong LockedBytes);
}

/// <summary>Where a device is in its life.</summary>
public enum DevicePhase
{
    /// <summary>No owner, no session.</summary>
    Closed,

    /// <summary>A session is being opened.</summary>
    Opening,

    /// <summary>A session is open.</summary>
    Ready,

    /// <summary>A session is being ended.</summary>
    Ending,

    /// <summary>Waiting before the next session.</summary>
    BackingOff,

    /// <summary>The device is gone; a session is opened when it comes back.</summary>
    Absent,

    /// <summary>Given up until an operator resumes it.</summary>
    Quarantined,
}
