namespace Akka.TestKit;

/// <summary>One of several, or all of several in any order.</summary>
public abstract partial class TestKitBase
{
    /// <summary>The next message must equal one of these.</summary>
    public T ExpectMsgAnyOf<T>(IEnumerable<T> messages, CancellationToken cancellationToken = default)
    {
        var wanted = messages as IReadOnlyCollection<T> ?? [.. messages];
        var max = RemainingOrDefault;
        if (!TryReceiveOne(out var envelope, max, cancellationToken))
            throw Untrue($"Timeout {max} during waiting for ExpectMsgAnyOf waiting for ({wanted})");
        return envelope.Message is T message && wanted.Contains(message)
            ? message
            : throw Untrue($"ExpectMsgAnyOf found unexpected {envelope.Message}");
    }

    public IReadOnlyCollection<T> ExpectMsgAllOf<T>(params T[] messages) => AllOf(RemainingOrDefault, messages, CancellationToken.None);

    public IReadOnlyCollection<T> ExpectMsgAllOf<T>(IReadOnlyCollection<T> messages, CancellationToken cancellationToken = default) =>
        AllOf(RemainingOrDefault, messages, cancellationToken);

    public IReadOnlyCollection<T> ExpectMsgAllOf<T>(TimeSpan max, params T[] messages) => AllOf(Dilated(max), messages, CancellationToken.None);

    /// <summary>As many messages as there are here must come, each of these among them; returned in the order they came.</summary>
    public IReadOnlyCollection<T> ExpectMsgAllOf<T>(TimeSpan max, IReadOnlyCollection<T> messages, CancellationToken cancellationToken = default) =>
        AllOf(Dilated(max), messages, cancellationToken);

    private List<T> AllOf<T>(TimeSpan max, IReadOnlyCollection<T> wanted, CancellationToken cancellationToken)
    {
        var received = Receive(wanted.Count, max, cancellationToken);
        var missing = wanted.Where(item => !received.Contains(item!)).ToList();
        var unexpected = received.Where(item => item is not T typed || !wanted.Contains(typed)).ToList();
        if (missing.Count > 0 || unexpected.Count > 0)
            throw _assertions.Failed($"not found [{string.Join(", ", missing)}] found unexpected [{string.Join(", ", unexpected)}]");
        return [.. received.Cast<T>()];
    }
}
