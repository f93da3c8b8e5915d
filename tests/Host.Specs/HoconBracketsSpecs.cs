using Riser.Host.Service;

namespace Riser.Host.Specs;

public sealed class HoconBracketsSpecs
{
    [Theory]
    [InlineData("")]
    [InlineData("a { b = [1, { c = \"}\" }] } # ]")]
    [InlineData("a = \"\"\"{\n\"[\"\"\" // {\nb = \"\\\"{\"")]
    public void Text_passes_when_its_brackets_close(string text) => Assert.Null(HoconBrackets.Check(text));

    [Theory]
    [InlineData("a = [1, 2", "the '[' in line 1 is not closed")]
    [InlineData("\na {\n b {}", "the '{' in line 2 is not closed")]
    [InlineData("a = ]", "the ']' in line 1 closes nothing")]
    [InlineData("a = [1}", "the '}' in line 1 closes nothing")]
    [InlineData("a = 1\nb = \"x", "the quote in line 2 is not closed")]
    [InlineData("a = \"\"\"x\"\"", "the quote in line 1 is not closed")]
    public void Text_is_refused_with_the_line_when_they_do_not(string text, string says) => Assert.Equal(says, HoconBrackets.Check(text));
}
