using Akka.Actor;
using Newtonsoft.Json;
using Riser.Actors.Backends;

namespace Riser.Actors.Interrupts;

/// <summary>
/// What one can say to a vector, and what it answers. Interrupts themselves arrive as <see cref="InterruptSignal"/>, or many together as
/// <see cref="InterruptSet"/>, sent by the vector. Every command answers its reply, <see cref="Refused"/>, or
/// <see cref="SessionLost"/> when the session ended while it was under way.
/// </summary>
public static class InterruptProtocol
{
    /// <summary>Anything that a vector accepts.</summary>
    public interface ICommand;

    /// <summary>
    /// Sends <see cref="InterruptSignal"/>s to a subscriber, who also hears of <see cref="SessionLost"/> and <see cref="SessionReady"/>.
    /// Subscribing again replaces the subscription (a subscriber that restarted must). Answers <see cref="Subscribed"/>, which
    /// holds the present state, so that there is no race with arming; a subscriber that asks for itself gets it before its first signal. A subscriber that dies is forgotten.
    /// </summary>
    /// <param name="Subscriber">Null: the sender.</param>
    /// <param name="Counting">Whether <see cref="InterruptSignal.Take"/> counts.</param>
    /// <param name="Set">
    /// One message for many vectors: <see cref="InterruptSet"/> arrives instead of <see cref="InterruptSignal"/>. Null: a message for each vector.
    /// Refused with EBUSY when it is another subscriber's, with ENOSPC when it is full.
    /// </param>
    public sealed record Subscribe(IActorRef? Subscriber = null, InterruptCounting Counting = InterruptCounting.Exact, InterruptSet? Set = null) : ICommand, INoSerializationVerificationNeeded;

    /// <summary>Ends a subscription. Answers <see cref="Unsubscribed"/>.</summary>
    /// <param name="Subscriber">Null: the sender.</param>
    public sealed record Unsubscribe(IActorRef? Subscriber = null) : ICommand;

    /// <summary>Holds interrupts back. In the runtime nothing is lost; in hardware pending interrupts coalesce into one. Answers <see cref="Masked"/>.</summary>
    public sealed record Mask(MaskPlace Place = MaskPlace.Runtime) : ICommand;

    /// <summary>Ends <see cref="Mask"/>; for INTx also the kernel's own mask after each interrupt. Answers <see cref="Unmasked"/>.</summary>
    public sealed record Unmask(MaskPlace Place = MaskPlace.Runtime) : ICommand;

    /// <summary>Signals the vector from software, through the backend. Answers <see cref="Triggered"/>.</summary>
    /// <param name="Times">How often; 1 to <see cref="MostTriggers"/>, since nothing else reaches the device meanwhile. On an event channel of several vectors, each of them so often.</param>
    public sealed record Trigger(int Times = 1) : ICommand;

    /// <summary>The most that one <see cref="Trigger"/> can ask for.</summary>
    public const int MostTriggers = 1_000_000;

    /// <summary>
    /// Gives the vector's eventfd away: to KVM as an irqfd, or to another process. Answers <see cref="EventFdDuplicated"/>, or
    /// <see cref="Refused"/>: EOPNOTSUPP to an actor of another node, since a descriptor belongs to one process; EMFILE at the limit of open files.
    /// </summary>
    /// <remarks>
    /// There is one counter, whoever reads it. What another one takes, as KVM does inside the kernel, without a thread of this
    /// process, is neither counted nor told to subscribers. <see cref="MaskPlace.Runtime"/> does not hold it back; <see cref="MaskPlace.Hardware"/> does.
    /// The eventfd stays the same across sessions, so it need not be handed over again.
    /// </remarks>
    public sealed record DuplicateEventFd : ICommand;

    /// <summary>
    /// Lets interrupts of the vector be handled on these CPUs alone, so that it follows its thread or its virtual CPU; holds for later
    /// sessions too. Without it a vector follows its reactor where that is bound to a processor (<c>riser.reactor.processors</c>). Refused with EOPNOTSUPP where the backend has no say in it (only <c>uio</c> has). Answers <see cref="AffinitySet"/>.
    /// </summary>
    /// <param name="Cpus">Numbers of CPUs that this process may use, at least one of them online; one that the machine has not is refused (EINVAL).</param>
    public sealed record SetAffinity([property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<int> Cpus) : ICommand;

    /// <summary>Answers <see cref="Description"/>, after everything that was signalled has been counted.</summary>
    public sealed record Describe : ICommand;

    /// <summary>Answer to <see cref="Subscribe"/>.</summary>
    /// <param name="Signal">The one object that this subscription's interrupts arrive as.</param>
    /// <param name="State">The vector as it was when the subscription began.</param>
    public sealed record Subscribed(InterruptSignal Signal, Description State) : INoSerializationVerificationNeeded;

    /// <summary>Answer to <see cref="Unsubscribe"/>.</summary>
    public sealed record Unsubscribed(int Vector);

    /// <summary>Answer to <see cref="Mask"/>.</summary>
    public sealed record Masked(int Vector, MaskPlace Place);

    /// <summary>Answer to <see cref="Unmask"/>.</summary>
    public sealed record Unmasked(int Vector, MaskPlace Place);

    /// <summary>Answer to <see cref="Trigger"/>.</summary>
    public sealed record Triggered(int Vector, int Times);

    /// <summary>Answer to <see cref="DuplicateEventFd"/>.</summary>
    /// <param name="Vector">Which vector.</param>
    /// <param name="EventFd">A descriptor of the receiver's own, who disposes it; the vector lives on without it.</param>
    public sealed record EventFdDuplicated(int Vector, VectorEventFd EventFd) : INoSerializationVerificationNeeded;

    /// <summary>Answer to <see cref="SetAffinity"/>.</summary>
    public sealed record AffinitySet(int Vector, [property: JsonProperty(TypeNameHandling = TypeNameHandling.None)] IReadOnlyList<int> Cpus);

    /// <summary>Told to subscribers: the session ended, no interrupts come until <see cref="SessionReady"/>. The subscription stays.</summary>
    /// <param name="Vector">Which vector.</param>
    /// <param name="Epoch">The session that ended.</param>
    /// <param name="Failure">Why.</param>
    /// <param name="Command">As an answer: the command that got lost.</param>
    public sealed record SessionLost(int Vector, long Epoch, SessionFailure Failure, object? Command = null) : INoSerializationVerificationNeeded; // goes where its command can

    /// <summary>Told to subscribers: the vector is armed in a new session.</summary>
    public sealed record SessionReady(int Vector, long Epoch);

    /// <summary>What a vector is at one moment.</summary>
    /// <param name="Kind">Which kind of interrupt.</param>
    /// <param name="Vector">Its number.</param>
    /// <param name="Armed">Whether a session can signal it now.</param>
    /// <param name="MaskedInRuntime">Whether the runtime holds it back.</param>
    /// <param name="MaskedInHardware">Whether the device holds it back.</param>
    /// <param name="Interrupts">Signals counted so far.</param>
    /// <param name="Messages">Messages that told of them.</param>
    /// <param name="Subscribers">How many subscriptions.</param>
    /// <param name="Vectors">How many vectors signal it: 1, or all that were opened on one event channel.</param>
    public sealed record Description(
        VectorKind Kind,
        int Vector,
        bool Armed,
        bool MaskedInRuntime,
        bool MaskedInHardware,
        long Interrupts,
        long Messages,
        int Subscribers,
        int Vectors = 1);
}

/// <summary>Whether a subscriber wants to know how many interrupts there were.</summary>
public enum InterruptCounting
{
    /// <summary>Every eventfd signal is counted once; costs one system call for each message.</summary>
    Exact,

    /// <summary>A message means one or more; costs no system call.</summary>
    EdgeOnly,
}

/// <summary>Who holds an interrupt back.</summary>
public enum MaskPlace
{
    /// <summary>The runtime stops listening; every backend can, and no count is lost.</summary>
    Runtime,

    /// <summary>The device, or the kernel for it; see <see cref="VectorInfo.CanMask"/>.</summary>
    Hardware,
}
