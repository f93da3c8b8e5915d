namespace Riser.Host.Service;

/// <summary>
/// Whether the brackets and quotes of a HOCON text close. Asked before Akka.NET's parser is: that one never comes to an end on a
/// list that is not closed, and takes ever more memory.
/// </summary>
internal static class HoconBrackets
{
    private const string Triple = "\"\"\"";

    /// <returns>What is wrong, with its line; null when nothing is.</returns>
    public static string? Check(string text)
    {
        Stack<(char Bracket, int At)> open = [];
        for (int at = 0; at < text.Length; at++)
        {
            char c = text[at];
            switch (c)
            {
                case '#' or '/' when c == '#' || Continues(text, at, "//"):
                    at = EndOf(text, at, "\n") ?? text.Length;
                    break;
                case '"':
                    if (EndOfString(text, at) is not { } end)
                        return $"the quote in line {Line(text, at)} is not closed";
                    at = end;
                    break;
                case '{' or '[':
                    open.Push((c, at));
                    break;
                case '}' or ']' when !open.TryPop(out var last) || last.Bracket != (c == '}' ? '{' : '['):
                    return $"the '{c}' in line {Line(text, at)} closes nothing";
                default:
                    break;
            }
        }
        return open.TryPop(out var left) ? $"the '{left.Bracket}' in line {Line(text, left.At)} is not closed" : null;
    }

    /// <summary>The last character of the string that begins at a quote.</summary>
    private static int? EndOfString(string text, int at)
    {
        if (Continues(text, at, Triple))
            return EndOf(text, at + 3, Triple) is { } start ? start + 2 : null;
        for (int i = at + 1; i < text.Length && text[i] != '\n'; i++)
        {
            if (text[i] == '"')
                return i;
            if (text[i] == '\\')
                i++;
        }
        return null;
    }

    private static bool Continues(string text, int at, string with) => string.CompareOrdinal(text, at, with, 0, with.Length) == 0;

    private static int? EndOf(string text, int from, string mark) => text.IndexOf(mark, from, StringComparison.Ordinal) is >= 0 and var found ? found : null;

    private static int Line(string text, int at) => text.AsSpan(0, at).Count('\n') + 1;
}
