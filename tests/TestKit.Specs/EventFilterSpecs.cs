using System.Text.RegularExpressions;
using Akka.Event;
using static Riser.TestKits.Specs.Short;

namespace Riser.TestKits.Specs;

public sealed class EventFilterSpecs : TestKit
{
    private readonly IActorRef _subject;

    public EventFilterSpecs() : base("{ akka.loglevel = DEBUG, akka.log-dead-letters = off }") =>
        _subject = Sys.ActorOf(Subject.Props(), "subject");

    [Fact]
    public void Exception_counts_what_an_actor_throws()
    {
        EventFilter.Exception<InvalidOperationException>().ExpectOne(() => _subject.Tell("throw"));
        EventFilter.Exception<InvalidOperationException>("bang").ExpectOne(() => _subject.Tell("throw"));
        EventFilter.Exception<Exception>(contains: "an").ExpectOne(() => _subject.Tell("throw"));
        EventFilter.Error().ExpectOne(() => _subject.Tell("throw"));
    }

    [Fact]
    public void Exception_matches_the_message_of_log_or_cause()
    {
        EventFilter.Exception<ArgumentException>("with cause").ExpectOne(() => _subject.Tell("cause"));
        EventFilter.Exception<ArgumentException>(contains: "'what'").ExpectOne(() => _subject.Tell("cause"));
        EventFilter.Exception<ArgumentNullException>(new Regex("w.th")).ExpectOne(() => _subject.Tell("cause"));
    }

    [Fact]
    public void Exception_looks_at_inner_exceptions_when_told()
    {
        EventFilter.Exception(typeof(ArgumentException), checkInnerExceptions: true).ExpectOne(() => _subject.Tell("nested"));
        EventFilter.Exception<ArgumentException>().Expect(0, Wait, () => _subject.Tell("nested"));
    }

    [Fact]
    public void Levels_count_their_own_events()
    {
        EventFilter.Error("bad thing").ExpectOne(() => _subject.Tell("error"));
        EventFilter.Warning("careful 1").ExpectOne(() => _subject.Tell("warn"));
        EventFilter.Info("hello").ExpectOne(() => _subject.Tell("info"));
        EventFilter.Debug("detail").ExpectOne(() => _subject.Tell("debug"));
        EventFilter.ForLogLevel(LogLevel.InfoLevel, start: "hel").ExpectOne(() => _subject.Tell("info"));
        EventFilter.Error(new Regex("b.d")).ExpectOne(() => _subject.Tell("error"));
    }

    [Fact]
    public void Source_is_a_path_with_or_without_its_address()
    {
        EventFilter.Info(source: "/user/subject").ExpectOne(() => _subject.Tell("info"));
        EventFilter.Info(source: "akka://test/user/subject").ExpectOne(() => _subject.Tell("info"));
        EventFilter.Info(source: "subject").Expect(0, Wait, () => _subject.Tell("info"));
        EventFilter.Info(source: "/user/other").Expect(0, Wait, () => _subject.Tell("info"));
    }

    [Fact]
    public void Expect_returns_what_the_action_returns() => Assert.Equal(7, EventFilter.Info("hello").ExpectOne(() =>
    {
        _subject.Tell("info");
        return 7;
    }));

    [Fact]
    public void Expect_counts_to_the_number() => EventFilter.Warning(contains: "careful").Expect(2, () =>
    {
        _subject.Tell("warn");
        _subject.Tell("warn");
    });

    [Fact]
    public void Expect_fails_with_filter_and_count_when_too_few_come()
    {
        string text = Failure(() => EventFilter.Warning("careful 1").Expect(2, Seconds(1), () => _subject.Tell("warn")));

        Assert.Equal("Timeout (00:00:01) while waiting for messages. Only received 1/2 messages that matched filter [Warning when Message == \"careful 1\"]", text);
    }

    [Fact]
    public void Expect_names_message_and_source_in_its_failure()
    {
        string text = Failure(() => EventFilter.Exception<ArgumentException>("m", source: "s").ExpectOne(Wait, () => { }));

        Assert.EndsWith("[Error with Cause <System.ArgumentException> when Message == \"m\" and Source == \"s\"]", text);
    }

    [Fact]
    public void Expect_fails_when_too_many_come()
    {
        string text = Failure(() => EventFilter.Warning(start: "careful").ExpectOne(() =>
        {
            _subject.Tell("warn");
            _subject.Tell("warn");
            _subject.Tell("warn");
            _subject.Tell("done");
            ExpectMsg("done");
        }));

        Assert.Equal("Received 2 messages too many. Expected 1 message but received 3 that matched filter [Warning when Message starts with \"careful\"]", text);
    }

    [Fact]
    public void Expect_none_waits_and_fails_when_one_comes()
    {
        EventFilter.Warning().Expect(0, Wait, () => _subject.Tell("info"));

        Assert.StartsWith("Received 1 message too many. Expected 0 messages", Failure(() => EventFilter.Warning().Expect(0, () => _subject.Tell("warn"))));
    }

    [Fact]
    public void Expect_takes_its_own_timeout() =>
        Assert.StartsWith("Timeout (00:00:00.0500000) ", Failure(() => EventFilter.Info("no").ExpectOne(Wait, () => { })));

    [Fact]
    public void Expect_lets_an_exception_of_the_action_through() =>
        Assert.Throws<ArgumentException>(() => EventFilter.Info("no").ExpectOne(() => throw new ArgumentException("x")));

    [Fact]
    public void And_counts_events_of_either_filter() => EventFilter.Error("bad thing").And.Warning("careful 1").Expect(2, () =>
    {
        _subject.Tell("error");
        _subject.Tell("warn");
    });

    [Fact]
    public void Custom_asks_a_predicate()
    {
        EventFilter.Custom(log => log.Message.ToString() == "bad thing").ExpectOne(() => _subject.Tell("error"));
        EventFilter.Custom<Warning>(log => log.LogSource.Contains("subject")).ExpectOne(() => _subject.Tell("warn"));
    }

    [Fact]
    public void DeadLetter_counts_what_reached_nobody()
    {
        EventFilter.DeadLetter().ExpectOne(() => Sys.DeadLetters.Tell("a"));
        EventFilter.DeadLetter<string>().ExpectOne(() => Sys.DeadLetters.Tell("a"));
        EventFilter.DeadLetter<string>(message => message == "a").ExpectOne(() => Sys.DeadLetters.Tell("a"));
        EventFilter.DeadLetter<int>().Expect(0, Wait, () => Sys.DeadLetters.Tell("a"));
    }

    [Fact]
    public void Warning_counts_dead_letters_and_no_unhandled_messages()
    {
        EventFilter.Warning().ExpectOne(() => Sys.DeadLetters.Tell("a"));
        EventFilter.Warning().Expect(0, Wait, () => _subject.Tell(1));
    }

    [Fact]
    public void Mute_counts_nothing()
    {
        EventFilter.Warning().Mute(() =>
        {
            _subject.Tell("warn");
            _subject.Tell("done");
            ExpectMsg("done");
        });
        using var muted = EventFilter.Warning().Mute();
        muted.Unmute();
        EventFilter.Warning().ExpectOne(() => _subject.Tell("warn"));
    }

    [Fact]
    public void The_first_filter_that_wants_an_event_has_it()
    {
        using var muted = EventFilter.Warning().Mute();

        EventFilter.Warning().Expect(0, Wait, () => _subject.Tell("warn"));
    }

    [Fact]
    public async Task Expect_awaits_an_action()
    {
        await EventFilter.Warning("careful 1").ExpectOneAsync(async () =>
        {
            await Task.Yield();
            _subject.Tell("warn");
        });

        Assert.Contains("Only received 0/1", await FailureAsync(() => EventFilter.Warning("x").ExpectOneAsync(Wait, () => Task.CompletedTask)));
    }
}
