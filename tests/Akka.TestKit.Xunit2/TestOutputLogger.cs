using Akka.Actor;
using Akka.Event;
using Xunit.Abstractions;

namespace Akka.TestKit.Xunit2.Internals;

/// <summary>Copies log events to the output of the test that runs.</summary>
internal sealed class TestOutputLogger(ITestOutputHelper output, string? prefix) : UntypedActor
{
    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case InitializeLogger initialize:
                initialize.LoggingBus.Subscribe(Self, typeof(LogEvent));
                Sender.Tell(new LoggerInitialized());
                break;
            case LogEvent logEvent: Write(logEvent); break;
            default: Unhandled(message); break;
        }
    }

    private void Write(LogEvent logEvent)
    {
        try
        {
            output.WriteLine((prefix ?? "") + logEvent);
        }
        catch (InvalidOperationException)
        {
            // The test has ended, and xunit takes no more lines for it; the console still got them.
        }
    }
}
