using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Event;
using Akka.TestKit.Xunit2.Internals;
using Xunit.Abstractions;

namespace Akka.TestKit.Xunit2;

/// <summary>A test class with an actor system of its own for each test, which ends with the test.</summary>
public class TestKit : TestKitBase, IDisposable
{
    private static readonly XunitAssertions s_assertions = new();
    private bool _disposed;

    public TestKit(ActorSystem? system = null, ITestOutputHelper? output = null)
        : base(s_assertions, system) => Show(output);

    public TestKit(ActorSystemSetup config, string? actorSystemName = null, ITestOutputHelper? output = null)
        : base(s_assertions, config, actorSystemName) => Show(output);

    public TestKit(Config config, string? actorSystemName = null, ITestOutputHelper? output = null)
        : base(s_assertions, config, actorSystemName) => Show(output);

    public TestKit(string config, ITestOutputHelper? output = null)
        : base(s_assertions, ConfigurationFactory.ParseString(config)) => Show(output);

    public static new Config DefaultConfig => TestKitBase.DefaultConfig;

    public static new Config FullDebugConfig => TestKitBase.FullDebugConfig;

    protected static XunitAssertions Assertions => s_assertions;

    /// <summary>Where xunit shows what a test prints; null if the test did not ask for it.</summary>
    protected ITestOutputHelper? Output { get; private set; }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Runs after each test, while its actor system still lives.</summary>
    protected virtual void AfterAll()
    {
    }

    protected virtual void Dispose(bool disposing)
    {
        if (!disposing || _disposed)
            return;
        _disposed = true;
        try
        {
            AfterAll();
        }
        finally
        {
            Shutdown();
            ForgetImplicitSender();
        }
    }

    /// <summary>Copies the log of a system to the test's output.</summary>
    protected void InitializeLogger(ActorSystem system) => InitializeLogger(system, prefix: null);

    protected void InitializeLogger(ActorSystem system, string? prefix)
    {
        if (Output is not { } output)
            return;
        var logger = ((ExtendedActorSystem)system).SystemActorOf(Props.Create(() => new TestOutputLogger(output, prefix)), "log-test");
        logger.Tell(new InitializeLogger(system.EventStream), ActorRefs.NoSender);
    }

    private void Show(ITestOutputHelper? output)
    {
        Output = output;
        InitializeLogger(Sys);
    }
}
