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
                foreach (var type in new[] { typeof(Mute), typeof(Unmute), typeof(Flush), typeof(DeadLetter), typeof(UnhandledMessage) })
                    initialize.LoggingBus.Subscribe(Self, type);
                Sender.Tell(new LoggerInitialized());
                break;
            case Mute mute: _filters.AddRange(mute.Filters); break;
            case Unmute unmute: _filters.RemoveAll(unmute.Filters.Contains); break;
            case Flush flush: flush.Done.TrySetResult(); break;
            case LogEvent logEvent: Show(logEvent); break;
            case DeadLetter dead: Show(dead); break;
            case UnhandledMessage unhandled:
                Show(new Warning(Source(unhandled.Recipient), unhandled.Recipient.GetType(), "Unhandled message from " + unhandled.Sender + ": " + unhandled.Message));
                break;
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
        Taken(new Warning(Source(dead.Recipient), dead.Recipient.GetType(), dead));
    }

    private bool Taken(LogEvent logEvent)
    {
        bool taken = false;
        foreach (var filter in _filters.ToArray())
            taken |= filter.Apply(logEvent);
        return taken;
    }

    private static string Source(IActorRef actor) => actor.Path.ToString();
}
