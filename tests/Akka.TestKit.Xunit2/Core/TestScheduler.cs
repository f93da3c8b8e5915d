using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;

namespace Akka.TestKit;

/// <summary>
/// Virtual time: what is scheduled waits until the test advances past it, and then runs on the test's thread, in order of
/// time and, at the same time, in order of scheduling.
/// </summary>
/// <remarks>
/// As in the original, one <c>Advance</c> runs what was scheduled before it: what is scheduled meanwhile waits for the
/// next, a repeated item runs once however far time jumps, and its next time counts from where time jumped to.
/// </remarks>
public class TestScheduler : IScheduler, IAdvancedScheduler
{
    private readonly Lock _gate = new();
    private readonly PriorityQueue<Item, (DateTimeOffset Due, long Number)> _items = new();
    private DateTimeOffset _now = DateTimeOffset.UtcNow;
    private long _number;

    public TestScheduler(Config schedulerConfig, ILoggingAdapter log)
    {
        // The signature that Akka.NET looks for; virtual time needs neither.
        _ = (schedulerConfig, log);
    }

    public IAdvancedScheduler Advanced => this;

    public DateTimeOffset Now => _now;

    public TimeSpan MonotonicClock => Util.MonotonicClock.Elapsed;

    public TimeSpan HighResMonotonicClock => Util.MonotonicClock.ElapsedHighRes;

    protected DateTimeOffset TimeNow => _now;

    public void Advance(TimeSpan offset)
    {
        foreach (var item in Due(offset))
        {
            if (item.Cancelable?.IsCancellationRequested == true)
                continue;
            item.Run();
            if (item.Interval is { } interval)
                Add(interval, item);
        }
    }

    /// <summary>Advances to that moment of virtual time.</summary>
    /// <exception cref="InvalidOperationException">That time is over.</exception>
    public void AdvanceTo(DateTimeOffset when)
    {
        if (when < _now)
            throw new InvalidOperationException("You can't reverse time...");
        Advance(when - _now);
    }

    public void ScheduleTellOnce(TimeSpan delay, ICanTell receiver, object message, IActorRef sender) =>
        ScheduleTellOnce(delay, receiver, message, sender, cancelable: null);

    public void ScheduleTellOnce(TimeSpan delay, ICanTell receiver, object message, IActorRef sender, ICancelable? cancelable) =>
        Add(delay, new(() => receiver.Tell(message, sender), Interval: null, cancelable));

    public void ScheduleTellRepeatedly(TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message, IActorRef sender) =>
        ScheduleTellRepeatedly(initialDelay, interval, receiver, message, sender, cancelable: null);

    public void ScheduleTellRepeatedly(TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message, IActorRef sender, ICancelable? cancelable) =>
        Add(initialDelay, new(() => receiver.Tell(message, sender), interval, cancelable));

    public void ScheduleOnce(TimeSpan delay, Action action) => ScheduleOnce(delay, action, cancelable: null);

    public void ScheduleOnce(TimeSpan delay, Action action, ICancelable? cancelable) => Add(delay, new(action, Interval: null, cancelable));

    public void ScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, Action action) =>
        ScheduleRepeatedly(initialDelay, interval, action, cancelable: null);

    public void ScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, Action action, ICancelable? cancelable) =>
        Add(initialDelay, new(action, interval, cancelable));

    public void ScheduleOnce(TimeSpan delay, IRunnable action) => ScheduleOnce(delay, action.Run);

    public void ScheduleOnce(TimeSpan delay, IRunnable action, ICancelable? cancelable) => ScheduleOnce(delay, action.Run, cancelable);

    public void ScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, IRunnable action) => ScheduleRepeatedly(initialDelay, interval, action.Run);

    public void ScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, IRunnable action, ICancelable? cancelable) =>
        ScheduleRepeatedly(initialDelay, interval, action.Run, cancelable);

    private List<Item> Due(TimeSpan offset)
    {
        lock (_gate)
        {
            _now += offset;
            var due = new List<Item>();
            while (_items.TryPeek(out _, out var next) && next.Due <= _now)
                due.Add(_items.Dequeue());
            return due;
        }
    }

    private void Add(TimeSpan delay, Item item)
    {
        lock (_gate)
            _items.Enqueue(item, (_now + delay, _number++));
    }

    private sealed record Item(Action Run, TimeSpan? Interval, ICancelable? Cancelable);
}
