using Akka.Event;
using Akka.TestKit.Internal.StringMatcher;

namespace Akka.TestKit
{
    public interface IEventFilter
    {
        /// <summary>Whether the filter takes the event, so that it is not printed.</summary>
        bool Apply(LogEvent logEvent);
    }
}

namespace Akka.TestKit.Internal
{
    public delegate void EventMatched(EventFilterBase eventFilter, LogEvent logEvent);

    /// <summary>Takes events by message and source; a kind of event adds what else it asks.</summary>
    public abstract class EventFilterBase(IStringMatcher? messageMatcher, IStringMatcher? sourceMatcher) : IEventFilter
    {
        public event EventMatched? EventMatched;

        protected abstract string FilterDescriptiveName { get; }

        public virtual bool Apply(LogEvent logEvent)
        {
            if (!IsMatch(logEvent))
                return false;
            EventMatched?.Invoke(this, logEvent);
            return true;
        }

        public override string ToString()
        {
            string message = messageMatcher is null ? "" : $"Message {messageMatcher}";
            string source = sourceMatcher is null ? "" : $"Source {sourceMatcher}";
            string both = string.Join(" and ", new[] { message, source }.Where(part => part.Length > 0));
            return FilterDescriptiveName + (both.Length == 0 ? "" : " when " + both);
        }

        protected abstract bool IsMatch(LogEvent evt);

        protected bool InternalDoMatch(string src, object? msg) =>
            (messageMatcher?.IsMatch(msg?.ToString() ?? "") ?? true) && (sourceMatcher?.IsMatch(src) ?? true);
    }

    /// <summary>Everything of one level.</summary>
    internal sealed class LevelFilter(LogLevel level, IStringMatcher? message, IStringMatcher? source) : EventFilterBase(message, source)
    {
        protected override string FilterDescriptiveName => level.ToString()[..^"Level".Length];

        protected override bool IsMatch(LogEvent evt) => evt.LogLevel() == level && InternalDoMatch(evt.LogSource, evt.Message);
    }

    /// <summary>Errors with a cause, whose message may be the log's or the cause's.</summary>
    internal sealed class CauseFilter(Type cause, IStringMatcher? message, IStringMatcher? source, bool inner) : EventFilterBase(message, source)
    {
        protected override string FilterDescriptiveName => $"Error with Cause <{cause}>";

        protected override bool IsMatch(LogEvent evt) =>
            evt is Error error && Causes(error).Any(found => cause.IsInstanceOfType(found)
                && (InternalDoMatch(error.LogSource, error.Message) || InternalDoMatch(error.LogSource, found.Message)));

        private IEnumerable<Exception> Causes(Error error)
        {
            for (var found = error.Cause; found is not null; found = inner ? found.InnerException : null)
                yield return found;
        }
    }

    /// <summary>Messages that reached nobody.</summary>
    internal sealed class DeadLetterFilter(Predicate<DeadLetter> wanted, IStringMatcher? source) : EventFilterBase(messageMatcher: null, source)
    {
        protected override string FilterDescriptiveName => "DeadLetter";

        protected override bool IsMatch(LogEvent evt) => evt.Message is DeadLetter dead && wanted(dead) && InternalDoMatch(evt.LogSource, dead.Message);
    }

    internal sealed class PredicateFilter(Predicate<LogEvent> wanted) : EventFilterBase(messageMatcher: null, sourceMatcher: null)
    {
        protected override string FilterDescriptiveName => "Custom";

        protected override bool IsMatch(LogEvent evt) => wanted(evt);
    }
}
