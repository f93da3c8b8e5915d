using Akka.Actor;
using Akka.Event;
using Akka.TestKit.Internal;
using Akka.TestKit.TestEvent;

namespace Akka.TestKit;

/// <summary>The logger of a test system: shows each event to the muted filters and prints what none of them takes.</summary>
public class TestEventListener : DefaultLogger
{
    private readonly List<EventFilterBase> _filters = [];

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case InitializeLogger initialize:
                // Only then can Print find where to print; it answers LoggerInitialized too.
                foreach (var type in new[] { typeof(Mute), typeof(Unmute), typeof(Flush), typeof(DeadLetter) })
                    initialize.LoggingBus.Subscribe(Self, type);
                return base.Receive(message);
            case Mute mute: _filters.AddRange(mute.Filters); break;
            case Unmute unmute: _filters.RemoveAll(unmute.Filters.Contains); break;
            case Flush flush: flush.Done.TrySetResult(); break;
            case LogEvent logEvent: Show(logEvent); break;
            case DeadLetter dead: Show(dead); break;
            default: return false;
        }

        return true;
    }

    private void Show(LogEvent logEvent)
    {
        if (!Taken(logEvent))
            Print(logEvent);
    }

    private void Show(DeadLetter dead)
    {
        // Akka.NET itself logs dead letters, as far as akka.log-dead-letters says; here they are only for the filters.
        Taken(new Warning(dead.Recipient.Path.ToString(), dead.Recipient.GetType(), dead));
    }

    // The first filter that wants an event has it: of two nested filters for the same event, the outer one counts.
    private bool Taken(LogEvent logEvent) => _filters.Exists(filter => filter.Apply(logEvent));
}
