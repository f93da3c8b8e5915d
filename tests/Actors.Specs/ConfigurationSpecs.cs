using Akka.Actor;
using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace Riser.Actors.Specs;

/// <summary>Every key of reference.conf: explained, and refused by its name when its value makes no sense.</summary>
public sealed class ConfigurationSpecs
{
    // Named in Akka.NET's own words, or a name that the user chooses.
    private static readonly string[] s_selfExplaining = ["type", "executor", "class"];

    // What any text is good for.
    private static readonly string[] s_texts = ["group", "sysfs", "nodes", "plain-nodes"];

    public static TheoryData<string> Keys => [.. Leaves(ReferenceConfig.Default.GetValue("riser"), "riser")];

    public static TheoryData<string> Sections => [.. Leaves(ReferenceConfig.Default.GetValue("riser"), "riser").Select(key => key[..key.LastIndexOf('.')]).Distinct(StringComparer.Ordinal)];

    [Fact]
    public void Every_key_has_a_comment_above_it()
    {
        string[] lines = Reference().Split('\n', StringSplitOptions.TrimEntries);
        for (int i = 1; i < lines.Length; i++)
        {
            string key = lines[i].Split(" = ")[0];
            if (key == lines[i] || lines[i].StartsWith('#') || key.Contains(' ') || s_selfExplaining.Contains(key))
                continue;
            Assert.True(lines[i - 1].StartsWith('#'), $"line {i + 1} of reference.conf has no comment above it: {lines[i]}");
        }
    }

    [Theory]
    [MemberData(nameof(Keys))]
    public void Key_is_named_when_its_value_makes_no_sense(string key)
    {
        foreach (string nonsense in new[] { "-1", "5 parsecs", "{ }", "[[1]]", "\"\"", "99999999999999999999" })
        {
            var problem = Start($"{key} = {nonsense}");
            if (problem is null)
                continue;
            Assert.True(problem is ConfigurationException, $"{key} = {nonsense} ends in {problem}");
            Assert.True(problem.Message.Contains(key[(key.LastIndexOf('.') + 1)..], StringComparison.Ordinal), $"{key} = {nonsense} is not named: {problem.Message}");
        }

        if (!s_texts.Contains(key[(key.LastIndexOf('.') + 1)..]))
            Assert.NotNull(Start($"{key} = banana split"));
    }

    [Theory]
    [MemberData(nameof(Sections))]
    public void Key_that_nobody_knows_is_refused_by_its_path(string section)
    {
        string unknown = $"{section}.nobody-knows-it";
        var problem = Assert.IsType<ConfigurationException>(Start($"{unknown} = 1"), exactMatch: false);
        Assert.Contains(unknown, problem.Message, StringComparison.Ordinal);
    }

    // What the runtime says to one line of configuration; null: it starts.
    private static Exception? Start(string line)
    {
        var system = ActorSystem.Create("configured", ConfigurationFactory.ParseString($"akka.loglevel = OFF\n{line}"));
        try
        {
            return Record.Exception(() => DeviceRuntime.For(system));
        }
        finally
        {
            system.Terminate().GetAwaiter().GetResult();
        }
    }

    private static IEnumerable<string> Leaves(HoconValue value, string path) => value.IsObject()
        ? value.GetObject().Items.SelectMany(item => Leaves(item.Value, $"{path}.{item.Key}"))
        : [path];

    private static string Reference()
    {
        using var stream = typeof(DeviceRuntime).Assembly.GetManifestResourceStream("Riser.Actors.reference.conf")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
