using Akka.Configuration;
using Akka.Event;
using static Riser.TestKits.Specs.Short;

namespace Riser.TestKits.Specs;

public sealed class LifecycleSpecs
{
    [Fact]
    public void Kit_starts_a_system_with_the_defaults()
    {
        using var kit = new TestKit();

        Assert.Equal("test", kit.Sys.Name);
        Assert.StartsWith("akka://test/system/testActor", kit.TestActor.Path.ToString());
        Assert.Equal(Seconds(3), kit.TestKitSettings.SingleExpectDefault);
        Assert.Equal(Seconds(3), kit.TestKitSettings.ExpectNoMessageDefault);
        Assert.Equal(Seconds(3), kit.TestKitSettings.TestEventFilterLeeway);
        Assert.Equal(Seconds(5), kit.TestKitSettings.DefaultTimeout);
        Assert.Equal(1, kit.TestKitSettings.TestTimeFactor);
    }

    [Fact]
    public void Kit_takes_configuration_as_text_or_object_and_keeps_the_defaults_below()
    {
        const string Text = "akka.test.single-expect-default = 7s";
        using var text = new TestKit(Text);
        using var config = new TestKit(ConfigurationFactory.ParseString(Text), "named");

        Assert.Equal(Seconds(7), text.TestKitSettings.SingleExpectDefault);
        Assert.Equal(Seconds(7), config.RemainingOrDefault);
        Assert.Equal("named", config.Sys.Name);
        Assert.Equal(Seconds(3), config.TestKitSettings.TestEventFilterLeeway);
    }

    [Fact]
    public void FullDebugConfig_shows_everything()
    {
        Assert.Equal("DEBUG", TestKit.FullDebugConfig.GetString("akka.loglevel"));
        Assert.True(TestKit.FullDebugConfig.GetBoolean("akka.actor.debug.lifecycle"));
    }

    [Fact]
    public void Dispose_runs_AfterAll_and_ends_the_system()
    {
        var kit = new Ending();

        kit.Dispose();

        Assert.True(kit.EndedWhileAlive);
        Assert.True(kit.Sys.WhenTerminated.IsCompleted);
    }

    [Fact]
    public void Dispose_ends_a_given_system_as_well()
    {
        var system = ActorSystem.Create("given");
        var kit = new TestKit(system);
        Assert.Equal(Seconds(3), kit.RemainingOrDefault);

        kit.Dispose();

        Assert.True(system.WhenTerminated.IsCompleted);
    }

#if !AKKA_NUGET // The original leaves it there for whatever test comes next on the thread.
    [Fact]
    public void Dispose_takes_the_implicit_sender_off_the_thread()
    {
        new TestKit().Dispose();

        Assert.Equal(ActorRefs.NoSender, ActorCell.GetCurrentSelfOrNoSender());
    }
#endif

    [Fact]
    public void Shutdown_ends_another_system_by_its_time_limit()
    {
        using var kit = new TestKit();

        kit.Shutdown(Seconds(5), verifySystemShutdown: true);

        Assert.True(kit.Sys.WhenTerminated.IsCompleted);
    }

    [Fact]
    public void Calling_thread_dispatcher_runs_on_the_thread_that_tells()
    {
        using var kit = new TestKit();
        var subject = kit.Sys.ActorOf(Subject.Props().WithDispatcher("akka.test.calling-thread-dispatcher"));
        kit.ExpectNoMsg(Wait);

        subject.Tell("x", kit.TestActor);

        kit.ExpectMsg("x", TimeSpan.Zero);
    }

    [Fact]
    public void Latch_opens_when_counted_down()
    {
        using var kit = new TestKit();
        var latch = kit.CreateTestLatch(2);

        latch.CountDown();
        Assert.Throws<TimeoutException>(() => latch.Ready(Wait));
        latch.CountDown();
        latch.Ready(Wait);

        Assert.True(latch.IsOpen);
    }

    [Fact]
    public void Output_gets_the_log()
    {
        var output = new Lines();
        using var kit = new TestKit("akka.loglevel = INFO", output);

        kit.AwaitAssert(() =>
        {
            kit.Log.Info("to the output");
            Assert.Contains(output.Written, line => line.Contains("to the output", StringComparison.Ordinal));
        });
    }

    private sealed class Ending : TestKit
    {
        public bool EndedWhileAlive { get; private set; }

        protected override void AfterAll() => EndedWhileAlive = !Sys.WhenTerminated.IsCompleted;
    }

    private sealed class Lines : Xunit.Abstractions.ITestOutputHelper
    {
        public System.Collections.Concurrent.ConcurrentQueue<string> Written { get; } = new();

        public void WriteLine(string message) => Written.Enqueue(message);

        public void WriteLine(string format, params object[] args) => WriteLine(string.Format(format, args));
    }
}
