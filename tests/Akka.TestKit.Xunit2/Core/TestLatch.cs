namespace Akka.TestKit;

/// <summary>Opens when counted down; a test waits for it with a limit.</summary>
public class TestLatch(int count, TimeSpan defaultTimeout)
{
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(5);

    private readonly CountdownEvent _latch = new(count);

    public TestLatch() : this(1) { }

    public TestLatch(int count) : this(count, DefaultTimeout) { }

    public bool IsOpen => _latch.IsSet;

    public void CountDown()
    {
        if (!_latch.IsSet)
            _latch.Signal();
    }

    public void Open()
    {
        while (!_latch.IsSet)
            _latch.Signal();
    }

    public void Reset() => _latch.Reset();

    public void Ready() => Ready(defaultTimeout);

    /// <summary>Waits until it is open.</summary>
    /// <exception cref="TimeoutException">It did not open in time.</exception>
    public void Ready(TimeSpan timeout)
    {
        if (timeout == Timeout.InfiniteTimeSpan)
            throw new ArgumentException("TestLatch does not support infinite timeouts", nameof(timeout));
        if (!_latch.Wait(timeout))
            throw new TimeoutException($"Timeout of {timeout}");
    }
}
