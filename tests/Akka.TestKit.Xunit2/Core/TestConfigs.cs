using Akka.Configuration;

namespace Akka.TestKit.Configs;

/// <summary>What every test system falls back on, and what a test may ask for besides.</summary>
public static class TestConfigs
{
    public static Config DefaultConfig { get; } = ConfigurationFactory.ParseString(
        """
        akka {
          loggers = ["Akka.TestKit.TestEventListener, Akka.TestKit"]
          test {
            # Multiplies every duration that is subject to Dilated.
            timefactor = 1.0
            # How long an event filter waits for its events after the action.
            filter-leeway = 3s
            single-expect-default = 3s
            expect-no-message-default = 3s
            default-timeout = 5s
            startup-timeout = 5s
            # The thread that tells runs the mailbox: what is told is done when Tell returns.
            calling-thread-dispatcher {
              type = "Akka.TestKit.CallingThreadDispatcherConfigurator, Akka.TestKit"
              throughput = 2147483647
            }
            test-actor.dispatcher {
              type = "Akka.TestKit.CallingThreadDispatcherConfigurator, Akka.TestKit"
              throughput = 2147483647
            }
          }
        }
        """);

    /// <summary>Virtual time: nothing is due until the test advances it.</summary>
    public static Config TestSchedulerConfig { get; } = ConfigurationFactory.ParseString(
        """akka.scheduler.implementation = "Akka.TestKit.TestScheduler, Akka.TestKit" """);

    internal static Config FullDebugConfig { get; } = ConfigurationFactory.ParseString(
        """
        akka {
          loglevel = DEBUG
          stdout-loglevel = DEBUG
          log-dead-letters = on
          log-dead-letters-during-shutdown = on
          actor.debug {
            receive = on
            autoreceive = on
            lifecycle = on
            fsm = on
            event-stream = on
            unhandled = on
            router-misconfiguration = on
          }
        }
        """);
}
