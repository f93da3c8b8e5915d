using Akka.Actor;
namespace Riser.Actors.Interrupts;

/// <summary>What a vector asks of its device on behalf of a command; the device answers with the reply for <paramref name="Command"/>'s sender.</summary>
/// <param name="Vector">Which vector.</param>
/// <param name="Command">Mask, Unmask, Trigger or SetAffinity, in hardware.</param>
internal sealed record VectorRequest(int Vector, InterruptProtocol.ICommand Command) : INoSerializationVerificationNeeded;
