using Akka.Actor;
using Akka.TestKit.Internal;

namespace Akka.TestKit.TestEvent;

/// <summary>Published on the event stream: the listener lets these filters see each event, and prints none that one takes.</summary>
public sealed class Mute(params IReadOnlyCollection<EventFilterBase> filters) : INoSerializationVerificationNeeded
{
    public IReadOnlyCollection<EventFilterBase> Filters { get; } = filters;
}

/// <summary>Published on the event stream: ends a <see cref="Mute"/>.</summary>
public sealed class Unmute(params IReadOnlyCollection<EventFilterBase> filters) : INoSerializationVerificationNeeded
{
    public IReadOnlyCollection<EventFilterBase> Filters { get; } = filters;
}

/// <summary>Completed by the listener once it has seen all that was published before.</summary>
internal sealed record Flush(TaskCompletionSource Done) : INoSerializationVerificationNeeded;
