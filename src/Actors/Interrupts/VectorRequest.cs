using Akka.Actor;

namespace Riser.Actors.Interrupts;

/// <summary>What a vector asks of its device on behalf of a command; the device answers with the reply for <paramref name="Command"/>'s sender.</summary>
/// <param name="Channel">Which vector; the very one, so that what a former owner's vector asks for late does not reach the next one's.</param>
/// <param name="Command">Mask, Unmask, Trigger or SetAffinity, in hardware.</param>
internal sealed record VectorRequest(VectorChannel Channel, InterruptProtocol.ICommand Command) : INoSerializationVerificationNeeded;
