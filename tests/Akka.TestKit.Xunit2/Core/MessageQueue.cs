using System.Collections.Concurrent;

namespace Akka.TestKit;

/// <summary>What a test actor received and the test has not looked at yet. Any thread adds; one test takes.</summary>
/// <remarks>The semaphore counts the messages, so one queue serves callers that block and callers that await.</remarks>
internal sealed class MessageQueue : IDisposable
{
    private readonly ConcurrentQueue<MessageEnvelope> _messages = new();
    private readonly SemaphoreSlim _count = new(0);

    public bool IsEmpty => _messages.IsEmpty;

    public void Add(MessageEnvelope envelope)
    {
        _messages.Enqueue(envelope);
        _count.Release();
    }

    /// <summary>The next message, or null when none came in time.</summary>
    /// <param name="max">How long to wait; a negative duration is forever.</param>
    public MessageEnvelope? Take(TimeSpan max, CancellationToken cancellationToken) =>
        _count.WaitCooperatively(Bounded(max), cancellationToken) ? Dequeue() : null;

    public async ValueTask<MessageEnvelope?> TakeAsync(TimeSpan max, CancellationToken cancellationToken) =>
        await _count.WaitAsync(Bounded(max), cancellationToken).ConfigureAwait(false) ? Dequeue() : null;

    public MessageEnvelope? Peek(TimeSpan max, CancellationToken cancellationToken) =>
        _count.WaitCooperatively(Bounded(max), cancellationToken) ? Look() : null;

    public async ValueTask<MessageEnvelope?> PeekAsync(TimeSpan max, CancellationToken cancellationToken) =>
        await _count.WaitAsync(Bounded(max), cancellationToken).ConfigureAwait(false) ? Look() : null;

    public void Dispose() => _count.Dispose();

    private MessageEnvelope? Dequeue()
    {
        _messages.TryDequeue(out var envelope);
        return envelope;
    }

    private MessageEnvelope? Look()
    {
        _messages.TryPeek(out var envelope);
        _count.Release();
        return envelope;
    }

    private static TimeSpan Bounded(TimeSpan max) => max < TimeSpan.Zero ? Timeout.InfiniteTimeSpan : max;
}
