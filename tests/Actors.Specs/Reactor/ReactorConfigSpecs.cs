using Akka.Configuration;
using Riser.Actors.Reactor;

namespace Riser.Actors.Specs.Reactor;

public sealed class ReactorConfigSpecs
{
    private static Config Defaults { get; } = ReferenceConfig.Default.GetConfig("riser");

    [Fact]
    public void Reactor_has_one_thread_for_four_processors_by_default()
    {
        Assert.Equal("auto", Defaults.GetString("reactor.threads"));
        Assert.Equal(Math.Max(1, Environment.ProcessorCount / 4), ReactorSettings.From(Defaults.GetConfig("reactor")).Threads);
    }

    [Fact]
    public void Reactor_takes_256_events_and_runs_128_mailboxes_a_turn_by_default()
    {
        var settings = ReactorSettings.From(Defaults.GetConfig("reactor"));
        Assert.Equal(256, settings.EventsPerTurn);
        Assert.Equal(128, settings.MailboxesPerTurn);
    }

    [Fact]
    public void Reactor_dispatcher_runs_mailboxes_on_the_reactor_by_default()
    {
        var dispatcher = Defaults.GetConfig("reactor-dispatcher");
        Assert.Equal("Dispatcher", dispatcher.GetString("type"));
        Assert.Equal(typeof(ReactorExecutor), Type.GetType(dispatcher.GetString("executor")));
        Assert.Equal(32, dispatcher.GetInt("throughput"));
    }

    [Fact]
    public void Session_dispatcher_has_threads_of_its_own_by_default()
    {
        var dispatcher = Defaults.GetConfig("session-dispatcher");
        Assert.Equal("Dispatcher", dispatcher.GetString("type"));
        Assert.Equal(typeof(BlockingExecutor), Type.GetType(dispatcher.GetString("executor")));
        Assert.Equal(32, dispatcher.GetInt("throughput"));
        Assert.Equal(new BlockingSettings(64, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30)), BlockingSettings.From(dispatcher));
    }

    [Theory]
    [InlineData("threads", "0")]
    [InlineData("threads", "many")]
    [InlineData("events-per-turn", "-1")]
    [InlineData("mailboxes-per-turn", "1.5")]
    public void Reactor_refuses_a_value_that_makes_no_sense_and_names_the_key(string key, string value)
    {
        var section = ConfigurationFactory.ParseString($"{key} = \"{value}\"").WithFallback(Defaults.GetConfig("reactor"));

        var refused = Assert.Throws<ConfigurationException>(() => ReactorSettings.From(section));

        Assert.Contains($"riser.reactor.{key} is '{value}'", refused.Message);
    }

    [Theory]
    [InlineData("max-threads", "0")]
    [InlineData("stall-after", "0s")]
    [InlineData("idle-timeout", "0s")]
    public void Session_dispatcher_refuses_a_value_that_makes_no_sense_and_names_the_key(string key, string value)
    {
        var section = ConfigurationFactory.ParseString($"id = riser.session-dispatcher, {key} = {value}").WithFallback(Defaults.GetConfig("session-dispatcher"));

        var refused = Assert.Throws<ConfigurationException>(() => BlockingSettings.From(section));

        Assert.Contains($"riser.session-dispatcher.{key} is", refused.Message);
    }
}
