namespace Akka.TestKit;

/// <summary>A block that must end in time, and whose expectations share that time.</summary>
public abstract partial class TestKitBase
{
    public void Within(TimeSpan max, Action action, TimeSpan? epsilonValue = null, CancellationToken cancellationToken = default) =>
        Within(TimeSpan.Zero, max, action, hint: null, epsilonValue, cancellationToken);

    public void Within(TimeSpan min, TimeSpan max, Action action, string? hint = null, TimeSpan? epsilonValue = null, CancellationToken cancellationToken = default) =>
        Within(min, max, () => { action(); return true; }, hint, epsilonValue, cancellationToken);

    public T Within<T>(TimeSpan max, Func<T> function, TimeSpan? epsilonValue = null, CancellationToken cancellationToken = default) =>
        Within(TimeSpan.Zero, max, function, hint: null, epsilonValue, cancellationToken);

    /// <summary>Runs the block and returns its result.</summary>
    /// <param name="min">The block must take at least so long.</param>
    /// <param name="max">Scaled. An outer <c>Within</c> can make it shorter.</param>
    /// <param name="epsilonValue">By how much the block may be late; none for expectations inside it.</param>
    public T Within<T>(TimeSpan min, TimeSpan max, Func<T> function, string? hint = null, TimeSpan? epsilonValue = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var block = Enter(min, max, hint);
        T result;
        try
        {
            result = function();
        }
        finally
        {
            _end = block.OuterEnd;
        }

        Leave(block, epsilonValue);
        return result;
    }

    public Task WithinAsync(TimeSpan max, Func<Task> actionAsync, TimeSpan? epsilonValue = null, CancellationToken cancellationToken = default) =>
        WithinAsync(TimeSpan.Zero, max, actionAsync, hint: null, epsilonValue, cancellationToken);

    public async Task WithinAsync(TimeSpan min, TimeSpan max, Func<Task> actionAsync, string? hint = null, TimeSpan? epsilonValue = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var block = Enter(min, max, hint);
        try
        {
            await actionAsync().ConfigureAwait(true);
        }
        finally
        {
            _end = block.OuterEnd;
        }

        Leave(block, epsilonValue);
    }

    private Block Enter(TimeSpan min, TimeSpan max, string? hint)
    {
        var (start, outer) = (Now, _end);
        var limit = Dilated(max);
        var left = outer is { } end ? Min(limit, end - start) : limit;
        _assertions.That(left >= min, () => $"Required min time {min} not possible, only {left} left. {hint}");
        _end = start + left;
        _lastWasNoMessage = false;
        return new(start, outer, min, left, hint);
    }

    private void Leave(Block block, TimeSpan? epsilon)
    {
        var took = Now - block.Start;
        if (took < block.Min)
            throw _assertions.Failed($"Failed: Block took {took}, should have at least been {block.Min}. {block.Hint}");

        // A block that ends by waiting for silence always ends late.
        if (!_lastWasNoMessage && took > block.Max + (epsilon ?? TimeSpan.Zero))
            throw _assertions.Failed($"Failed: Block took {took}, exceeding {block.Max}. {block.Hint}");
    }

    private readonly record struct Block(TimeSpan Start, TimeSpan? OuterEnd, TimeSpan Min, TimeSpan Max, string? Hint);
}
