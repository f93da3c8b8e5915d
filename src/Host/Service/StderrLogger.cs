using Akka.Actor;
using Akka.Dispatch;
using Akka.Event;

namespace Riser.Host.Service;

/// <summary>Akka.NET's log, a line an event, to <see cref="LogSink"/>. Akka.NET makes it from host.conf.</summary>
internal sealed class StderrLogger : ReceiveActor, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    public StderrLogger()
    {
        Receive<InitializeLogger>(_ => Sender.Tell(new LoggerInitialized()));
        Receive<LogEvent>(entry => LogSink.Write(Line(entry)));
    }

    private static string Line(LogEvent entry)
    {
        string level = entry.LogLevel() switch
        {
            LogLevel.ErrorLevel => "error",
            LogLevel.WarningLevel => "warning",
            LogLevel.InfoLevel => "info",
            _ => "debug",
        };
        string cause = entry.Cause is { } exception ? $"{Environment.NewLine}{exception}" : string.Empty;
        return $"{entry.Timestamp.ToLocalTime():HH:mm:ss.fff} {level}: {entry.Message}{cause}";
    }
}
