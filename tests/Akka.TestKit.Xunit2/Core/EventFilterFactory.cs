using System.Text.RegularExpressions;
using Akka.Actor;
using Akka.Event;
using Akka.TestKit.Internal;
using Akka.TestKit.Internal.StringMatcher;

namespace Akka.TestKit;

/// <summary>Says which log events a test means. Of message, start and contains the first that is given counts.</summary>
public class EventFilterFactory(TestKitBase testkit, ActorSystem actorSystem, IReadOnlyList<EventFilterBase>? filters)
{
    public EventFilterFactory(TestKitBase testkit) : this(testkit, testkit.Sys) { }

    public EventFilterFactory(TestKitBase testkit, ActorSystem system) : this(testkit, system, filters: null) { }

    public IEventFilterApplier Exception<TException>(Regex pattern, string? source = null) where TException : Exception =>
        Exception(typeof(TException), pattern, source);

    public IEventFilterApplier Exception(Type exceptionType, Regex pattern, string? source = null, bool checkInnerExceptions = false) =>
        Apply(new CauseFilter(exceptionType, Matcher.Of(pattern), Source(source), checkInnerExceptions));

    public IEventFilterApplier Exception<TException>(string? message = null, string? start = null, string? contains = null, string? source = null)
        where TException : Exception => Exception(typeof(TException), message, start, contains, source);

    public IEventFilterApplier Exception(Type exceptionType, string? message = null, string? start = null, string? contains = null, string? source = null, bool checkInnerExceptions = false) =>
        Apply(new CauseFilter(exceptionType, Message(message, start, contains), Source(source), checkInnerExceptions));

    public IEventFilterApplier Error(string? message = null, string? start = null, string? contains = null, string? source = null) =>
        ForLogLevel(LogLevel.ErrorLevel, message, start, contains, source);

    public IEventFilterApplier Error(Regex pattern, string? source = null) => ForLogLevel(LogLevel.ErrorLevel, pattern, source);

    public IEventFilterApplier Warning(string? message = null, string? start = null, string? contains = null, string? source = null) =>
        ForLogLevel(LogLevel.WarningLevel, message, start, contains, source);

    public IEventFilterApplier Warning(Regex pattern, string? source = null) => ForLogLevel(LogLevel.WarningLevel, pattern, source);

    public IEventFilterApplier Info(string? message = null, string? start = null, string? contains = null, string? source = null) =>
        ForLogLevel(LogLevel.InfoLevel, message, start, contains, source);

    public IEventFilterApplier Info(Regex pattern, string? source = null) => ForLogLevel(LogLevel.InfoLevel, pattern, source);

    public IEventFilterApplier Debug(string? message = null, string? start = null, string? contains = null, string? source = null) =>
        ForLogLevel(LogLevel.DebugLevel, message, start, contains, source);

    public IEventFilterApplier Debug(Regex pattern, string? source = null) => ForLogLevel(LogLevel.DebugLevel, pattern, source);

    public IEventFilterApplier ForLogLevel(LogLevel logLevel, string? message = null, string? start = null, string? contains = null, string? source = null) =>
        Apply(new LevelFilter(logLevel, Message(message, start, contains), Source(source)));

    public IEventFilterApplier ForLogLevel(LogLevel logLevel, Regex pattern, string? source = null) =>
        Apply(new LevelFilter(logLevel, Matcher.Of(pattern), Source(source)));

    public IEventFilterApplier DeadLetter() => Apply(new DeadLetterFilter(_ => true, source: null));

    public IEventFilterApplier DeadLetter<TMessage>(string? source = null) => DeadLetter(typeof(TMessage), source);

    public IEventFilterApplier DeadLetter<TMessage>(Func<TMessage, bool> isMatch, string? source = null) =>
        Apply(new DeadLetterFilter(dead => dead.Message is TMessage message && isMatch(message), Source(source)));

    public IEventFilterApplier DeadLetter(Type type, string? source = null) =>
        Apply(new DeadLetterFilter(dead => type.IsInstanceOfType(dead.Message), Source(source)));

    public IEventFilterApplier DeadLetter(Type type, Func<object, bool> isMatch, string? source = null) =>
        Apply(new DeadLetterFilter(dead => type.IsInstanceOfType(dead.Message) && isMatch(dead.Message), Source(source)));

    public IEventFilterApplier Custom(Predicate<LogEvent> predicate) => Apply(new PredicateFilter(predicate));

    public IEventFilterApplier Custom<TLogEvent>(Predicate<TLogEvent> predicate) where TLogEvent : LogEvent =>
        Apply(new PredicateFilter(logEvent => logEvent is TLogEvent typed && predicate(typed)));

    private EventFilterApplier Apply(EventFilterBase filter) => new(testkit, actorSystem, [.. filters ?? [], filter]);

    private static Matcher? Source(string? source) => source is null ? null : Matcher.Source(source);

    private static Matcher? Message(string? message, string? start, string? contains) => (message, start, contains) switch
    {
        ({ } text, _, _) => Matcher.EqualTo(text),
        (_, { } text, _) => Matcher.StartingWith(text),
        (_, _, { } text) => Matcher.Containing(text),
        _ => null,
    };
}
