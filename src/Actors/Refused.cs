using Akka.Actor;
using Riser.Actors.Backends;

namespace Riser.Actors;

/// <summary>
/// The answer to any command that was not carried out. Nothing was changed. It can go wherever its command can; since some commands never leave the
/// process, <c>akka.actor.serialize-messages</c> leaves it alone.
/// </summary>
/// <param name="Command">The command, as it was sent.</param>
/// <param name="Errno">What the kernel, or the runtime in its place, said.</param>
/// <param name="Why">What was wrong, naming the thing.</param>
/// <param name="Fix">What the sender can do.</param>
public sealed record Refused(object Command, Errno Errno, string Why, string Fix) : INoSerializationVerificationNeeded
{
    internal static Refused Because(object command, PciException refusal) => new(command, refusal.Errno, refusal.Why, refusal.Fix);

    /// <summary>The refusal as an exception, for code that awaits an answer.</summary>
    public PciException ToException() => new(Errno, Why, Fix);
}
