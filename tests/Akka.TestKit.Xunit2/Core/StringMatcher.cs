using System.Text.RegularExpressions;

namespace Akka.TestKit.Internal.StringMatcher;

public interface IStringMatcher
{
    bool IsMatch(string s);
}

/// <summary>Its text is what a failed filter shows, for example <c>== "x"</c>.</summary>
internal sealed record Matcher(string Text, Predicate<string> Matches) : IStringMatcher
{
    public static Matcher EqualTo(string text) => new($"== \"{text}\"", s => string.Equals(s, text, StringComparison.Ordinal));

    public static Matcher StartingWith(string text) => new($"starts with \"{text}\"", s => s.StartsWith(text, StringComparison.Ordinal));

    public static Matcher Containing(string text) => new($"contains \"{text}\"", s => s.Contains(text, StringComparison.Ordinal));

    public static Matcher Of(Regex regex) => new($"matches regex \"{regex}\"", regex.IsMatch);

    /// <summary>A log source as it stands, or an actor's path with or without its address.</summary>
    public static Matcher Source(string source) =>
        new($"== \"{source}\"", s => string.Equals(s, source, StringComparison.Ordinal) || string.Equals(WithoutAddress(s), WithoutAddress(source), StringComparison.Ordinal));

    public bool IsMatch(string s) => Matches(s);

    public override string ToString() => Text;

    /// <summary><c>[akka://system@host:1/user/a#5]</c> becomes <c>/user/a</c>.</summary>
    private static string WithoutAddress(string source)
    {
        string path = source.Trim('[', ']').Split('#')[0];
        int address = path.IndexOf("://", StringComparison.Ordinal);
        int slash = address < 0 ? 0 : path.IndexOf('/', address + 3);
        return slash < 0 ? "/" : path[slash..];
    }
}
