using System.Diagnostics;
using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Event;
using Akka.TestKit.Configs;

namespace Akka.TestKit;

/// <summary>
/// A test with an actor of its own: what that actor receives waits in a queue, and the test asserts on it. Not bound to
/// a test framework. The parts: TestKitBase.Expect.cs and its kin, .Receive.cs, .Within.cs, .Await.cs, .ActorOf.cs.
/// </summary>
public abstract partial class TestKitBase : IActorRefFactory
{
    private static readonly long s_started = Stopwatch.GetTimestamp();
    private static long s_testActors;

    private readonly ITestKitAssertions _assertions;
    private readonly MessageQueue _queue = new();
    private MessageEnvelope _last = NullMessageEnvelope.Instance;
    private ActorSystem _system = null!;
    private IActorRef _testActor = null!;
    private TestKitSettings _settings = null!;

    protected TestKitBase(ITestKitAssertions assertions, ActorSystem? system = null, string? testActorName = null)
    {
        _assertions = assertions ?? throw new ArgumentNullException(nameof(assertions));
        InitializeTest(system, ActorSystemSetup.Empty, actorSystemName: null, testActorName);
    }

    protected TestKitBase(ITestKitAssertions assertions, ActorSystemSetup setup, string? actorSystemName = null, string? testActorName = null)
        : this(assertions, system: null, setup, actorSystemName, testActorName) { }

    protected TestKitBase(ITestKitAssertions assertions, Config config, string? actorSystemName = null, string? testActorName = null)
        : this(assertions, system: null, SetupWith(config), actorSystemName, testActorName) { }

    protected TestKitBase(ITestKitAssertions assertions, ActorSystem? system, ActorSystemSetup config, string? actorSystemName, string? testActorName)
    {
        _assertions = assertions ?? throw new ArgumentNullException(nameof(assertions));
        InitializeTest(system, config, actorSystemName, testActorName);
    }

    public static Config DefaultConfig => TestConfigs.DefaultConfig;

    public static Config FullDebugConfig => TestConfigs.FullDebugConfig;

    /// <summary>Time since some moment in the past; only differences mean something.</summary>
    public static TimeSpan Now => Stopwatch.GetElapsedTime(s_started);

    public ActorSystem Sys => _system;

    public TestKitSettings TestKitSettings => _settings;

    public ILoggingAdapter Log => Logging.GetLogger(_system, GetType());

    /// <summary>Where messages for this test go; the implicit sender of what the test tells.</summary>
    public IActorRef TestActor => _testActor;

    /// <summary>What the last receive got.</summary>
    /// <exception cref="IllegalActorStateException">It got nothing.</exception>
    public object LastMessage => _last.Message!;

    /// <summary>Who sent it.</summary>
    /// <exception cref="IllegalActorStateException">The last receive got nothing.</exception>
    public IActorRef LastSender => _last.Sender;

    public bool HasMessages => !_queue.IsEmpty;

    public EventFilterFactory EventFilter => new(this);

    public EventFilterFactory CreateEventFilter(ActorSystem system) => new(this, system);

    protected virtual void InitializeTest(ActorSystem? system, ActorSystemSetup config, string? actorSystemName, string? testActorName)
    {
        _system = system ?? ActorSystem.Create(actorSystemName ?? "test", WithDefaults(config));
        _settings = TestKitExtension.For(_system);
        _testActor = CreateTestActor(testActorName ?? "testActor" + Interlocked.Increment(ref s_testActors));
        if (this is INoImplicitSender)
            return;

        var cell = WaitForCell(_testActor);
        InternalCurrentActorCellKeeper.Current = cell;
        SynchronizationContext.SetSynchronizationContext(new ActorCellKeepingSynchronizationContext(cell));
    }

    /// <summary>An actor under <c>/system</c> that puts what it receives into this test's queue.</summary>
    public IActorRef CreateTestActor(string name)
    {
        var queue = _queue;
        return ((ExtendedActorSystem)_system).SystemActorOf(
            Props.Create(() => new QueueingActor(queue)).WithDispatcher("akka.test.test-actor.dispatcher"), name);
    }

    private ActorCell WaitForCell(IActorRef actor)
    {
        var reference = (ActorRefWithCell)actor;
        if (!SpinWait.SpinUntil(() => reference.Underlying is ActorCell, _settings.TestKitStartupTimeout))
            throw new TimeoutException($"The test actor did not start within {_settings.TestKitStartupTimeout}.");
        return (ActorCell)reference.Underlying;
    }

    private static ActorSystemSetup SetupWith(Config? config) =>
        config is null ? ActorSystemSetup.Empty : ActorSystemSetup.Empty.And(BootstrapSetup.Create().WithConfig(config));

    private static ActorSystemSetup WithDefaults(ActorSystemSetup setup)
    {
        var bootstrap = setup.Get<BootstrapSetup>().GetOrElse(BootstrapSetup.Create());
        var own = bootstrap.Config.GetOrElse(ConfigurationFactory.Empty);
        return setup.And(bootstrap.WithConfig(own.WithFallback(DefaultConfig)));
    }
}

/// <summary>Marks a kit whose actor is not the implicit sender of what the test tells.</summary>
public interface INoImplicitSender;
