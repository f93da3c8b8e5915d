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

    [Theory]
    [InlineData(1, 1, 0)]
    [InlineData(1, 2, 50)]
    [InlineData(2, 2, 0)]
    [InlineData(4, 16, 50)]
    public void Reactor_looks_for_50_microseconds_before_it_sleeps_where_a_processor_is_left_to_others(int threads, int processors, int microseconds)
    {
        var polling = Defaults.GetConfig("reactor.polling");
        Assert.Equal("auto", polling.GetString("longest"));
        Assert.Equal(0.5, polling.GetDouble("cpu-share"));

        Assert.Equal(TimeSpan.FromMicroseconds(microseconds), PollingSettings.From(polling, threads, processors).Longest);
    }

    [Theory]
    [InlineData("off", 0)]
    [InlineData("300us", 300)]
    [InlineData("1ms", 1_000)]
    public void Reactor_looks_for_as_long_as_it_is_told(string longest, int microseconds)
    {
        var polling = ConfigurationFactory.ParseString($"longest = {longest}, cpu-share = 0.25").WithFallback(Defaults.GetConfig("reactor.polling"));

        var settings = PollingSettings.From(polling, threads: 1, processors: 1);

        Assert.Equal(TimeSpan.FromMicroseconds(microseconds), settings.Longest);
        Assert.Equal(longest == "off" ? 1 : 0.25, settings.CpuShare);
    }

    [Theory]
    [InlineData("longest", "2s", "at most 1 s")]
    [InlineData("longest", "often", "a duration")]
    [InlineData("cpu-share", "0", "above 0")]
    [InlineData("cpu-share", "1.5", "at most 1")]
    [InlineData("cpu-share", "half", "a number")]
    public void Reactor_refuses_to_poll_in_a_way_that_makes_no_sense_and_names_the_key(string key, string value, string expected)
    {
        var section = ConfigurationFactory.ParseString($"polling.{key} = \"{value}\"").WithFallback(Defaults.GetConfig("reactor"));

        var refused = Assert.Throws<ConfigurationException>(() => ReactorSettings.From(section));

        Assert.Contains($"riser.reactor.polling.{key} is '{value}'", refused.Message);
        Assert.Contains(expected, refused.Message);
    }

    [Fact]
    public void Reactor_threads_run_on_any_processor_by_default()
    {
        var settings = ReactorSettings.From(Defaults.GetConfig("reactor"));
        Assert.Equal("any", Defaults.GetString("reactor.processors"));
        Assert.Empty(settings.Processors);
        Assert.Null(settings.ProcessorOf(0));
    }

    [Fact]
    public void Reactor_threads_take_their_processors_in_turn()
    {
        var settings = LoopDriver.Settings(threads: 3) with { Processors = [4, 6] };
        Assert.Equal([4, 6, 4], Enumerable.Range(0, 3).Select(t => settings.ProcessorOf(t)));
    }

    [Fact]
    public void Reactor_reads_a_list_of_processors()
    {
        int first = Riser.Actors.Interop.Affinity.OfProcess()[0];
        var section = ConfigurationFactory.ParseString($"processors = \"{first}, {first}-{first}\"").WithFallback(Defaults.GetConfig("reactor"));

        Assert.Equal([first, first], ReactorSettings.From(section).Processors);
    }

    [Theory]
    [InlineData("8191", "may not run on processor 8191. It may run on")]
    [InlineData("3-1", "Set it to any, or to a list such as 0,2-5")]
    [InlineData("all", "Set it to any, or to a list such as 0,2-5")]
    [InlineData("-1", "Set it to any, or to a list such as 0,2-5")]
    public void Reactor_refuses_processors_that_it_cannot_have(string processors, string expected)
    {
        var section = ConfigurationFactory.ParseString($"processors = \"{processors}\"").WithFallback(Defaults.GetConfig("reactor"));

        var refused = Assert.Throws<ConfigurationException>(() => ReactorSettings.From(section));

        Assert.Contains($"riser.reactor.processors is '{processors}'", refused.Message);
        Assert.Contains(expected, refused.Message);
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

    [Fact]
    public void Small_mailbox_is_our_own_by_default() =>
        Assert.Equal(typeof(SmallMailbox), Type.GetType(Defaults.GetConfig("small-mailbox").GetString("mailbox-type")));

    [Fact]
    public void Device_dispatcher_uses_the_session_dispatchers_threads_by_default()
    {
        var dispatcher = Defaults.GetConfig("device-dispatcher");
        Assert.Equal("Dispatcher", dispatcher.GetString("type"));
        Assert.Equal(typeof(PromptExecutor), Type.GetType(dispatcher.GetString("executor")));
        Assert.Equal(32, dispatcher.GetInt("throughput"));
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
