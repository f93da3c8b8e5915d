using System.Collections;

namespace Akka.TestKit;

/// <summary>Taking messages out of the queue, without an opinion about them.</summary>
public abstract partial class TestKitBase
{
    private bool _lastWasNoMessage;

    /// <summary>Takes the next message.</summary>
    /// <param name="max">Not scaled. Null is the default of a single expectation, a negative duration is forever.</param>
    /// <returns>The message, or null when none came in time.</returns>
    public object? ReceiveOne(TimeSpan? max = null, CancellationToken cancellationToken = default) =>
        TryReceiveOne(out var envelope, max, cancellationToken) ? envelope.Message : null;

    public async ValueTask<object?> ReceiveOneAsync(TimeSpan? max = null, CancellationToken cancellationToken = default)
    {
        var (received, envelope) = await TryReceiveOneAsync(max, cancellationToken).ConfigureAwait(false);
        return received ? envelope.Message : null;
    }

    public bool TryReceiveOne(out MessageEnvelope envelope, TimeSpan? max = null, CancellationToken cancellationToken = default)
    {
        envelope = Remember(_queue.Take(GetTimeoutOrDefault(max), cancellationToken));
        return envelope is RealMessageEnvelope;
    }

    public async ValueTask<(bool Success, MessageEnvelope Envelope)> TryReceiveOneAsync(TimeSpan? max, CancellationToken cancellationToken = default)
    {
        var envelope = Remember(await _queue.TakeAsync(GetTimeoutOrDefault(max), cancellationToken).ConfigureAwait(false));
        return (envelope is RealMessageEnvelope, envelope);
    }

    /// <summary>The next message, which stays in the queue; null when none came in time.</summary>
    public object? PeekOne(TimeSpan? max = null, CancellationToken cancellationToken = default) =>
        _queue.Peek(GetTimeoutOrDefault(max), cancellationToken)?.Message;

    public object? PeekOne(CancellationToken cancellationToken) => PeekOne(Timeout.InfiniteTimeSpan, cancellationToken);

    public async ValueTask<object?> PeekOneAsync(TimeSpan? max = null, CancellationToken cancellationToken = default) =>
        (await _queue.PeekAsync(GetTimeoutOrDefault(max), cancellationToken).ConfigureAwait(false))?.Message;

    public IReadOnlyCollection<object> ReceiveN(int numberOfMessages, CancellationToken cancellationToken = default) =>
        Receive(numberOfMessages, RemainingOrDefault, cancellationToken);

    public IReadOnlyCollection<object> ReceiveN(int numberOfMessages, TimeSpan max, CancellationToken cancellationToken = default) =>
        Receive(numberOfMessages, Dilated(max), cancellationToken);

    public IAsyncEnumerable<object> ReceiveNAsync(int numberOfMessages, CancellationToken cancellationToken = default) =>
        ReceiveAsync(numberOfMessages, RemainingOrDefault, cancellationToken);

    public IAsyncEnumerable<object> ReceiveNAsync(int numberOfMessages, TimeSpan max, CancellationToken cancellationToken = default) =>
        ReceiveAsync(numberOfMessages, Dilated(max), cancellationToken);

    /// <summary>The first message for which the predicate holds; what comes before it is dropped.</summary>
    public object FishForMessage(Predicate<object> isMessage, TimeSpan? max = null, string hint = "", CancellationToken cancellationToken = default) =>
        FishForMessage<object>(isMessage, max, hint, cancellationToken);

    public T FishForMessage<T>(Predicate<T> isMessage, TimeSpan? max = null, string hint = "", CancellationToken cancellationToken = default) =>
        FishForMessage(isMessage, [], max, hint, cancellationToken);

    /// <summary>As above, and keeps what was dropped.</summary>
    /// <param name="allMessages">Gets what was dropped, in order; it is emptied first.</param>
    public T FishForMessage<T>(Predicate<T> isMessage, ArrayList allMessages, TimeSpan? max = null, string hint = "", CancellationToken cancellationToken = default)
    {
        var limit = RemainingOrDilated(max);
        var end = Now + limit;
        allMessages.Clear();
        while (true)
        {
            if (!TryReceiveOne(out var envelope, NotNegative(end - Now), cancellationToken))
                throw NotCaught(limit, hint);
            if (envelope.Message is T message && isMessage(message))
                return message;
            allMessages.Add(envelope.Message);
        }
    }

    public async ValueTask<T> FishForMessageAsync<T>(Predicate<T> isMessage, TimeSpan? max = null, string hint = "", CancellationToken cancellationToken = default)
    {
        var limit = RemainingOrDilated(max);
        var end = Now + limit;
        while (true)
        {
            var (received, envelope) = await TryReceiveOneAsync(NotNegative(end - Now), cancellationToken).ConfigureAwait(true);
            if (!received)
                throw NotCaught(limit, hint);
            if (envelope.Message is T message && isMessage(message))
                return message;
        }
    }

    private List<object> Receive(int count, TimeSpan max, CancellationToken cancellationToken)
    {
        var (start, received) = (Now, new List<object>());
        while (received.Count < count)
        {
            if (!TryReceiveOne(out var envelope, NotNegative(start + max - Now), cancellationToken))
                throw TooFew(count, received.Count, max, Now - start);
            received.Add(envelope.Message!);
        }

        return received;
    }

    private async IAsyncEnumerable<object> ReceiveAsync(
        int count, TimeSpan max, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var start = Now;
        for (int got = 0; got < count; got++)
        {
            var (received, envelope) = await TryReceiveOneAsync(NotNegative(start + max - Now), cancellationToken).ConfigureAwait(true);
            yield return received ? envelope.Message! : throw TooFew(count, got, max, Now - start);
        }
    }

    private MessageEnvelope Remember(MessageEnvelope? envelope)
    {
        _lastWasNoMessage = false;
        return _last = envelope ?? NullMessageEnvelope.Instance;
    }

    private Exception TooFew(int expected, int got, TimeSpan max, TimeSpan elapsed) =>
        Untrue($"Timeout ({max}) while expecting {expected} messages. Only got {got} after {elapsed}.");

    private Exception NotCaught(TimeSpan max, string? hint) =>
        Untrue($"Timeout ({max}) during fishForMessage" + (string.IsNullOrEmpty(hint) ? "" : ", hint: " + hint));

    internal void FailWith(string text) => _assertions.Fail("{0}", text);

    private Exception Untrue(string text)
    {
        _assertions.That(condition: false, () => text);
        return new InvalidOperationException(text);
    }
}
