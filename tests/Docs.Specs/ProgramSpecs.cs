using System.Diagnostics;
using Xunit;

namespace First;

/// <summary>The page's program, run as the page says.</summary>
public sealed class ProgramSpecs
{
    [Fact]
    public async Task Program_prints_what_the_page_promises()
    {
        var start = new ProcessStartInfo("dotnet", ["exec", typeof(FillDriver).Assembly.Location]) { UseShellExecute = false, RedirectStandardOutput = true };
        using var program = Process.Start(start)!;

        string output = await program.StandardOutput.ReadToEndAsync();
        await program.WaitForExitAsync();

        Assert.Equal(0, program.ExitCode);
        Assert.Contains("Filled { Bytes = 4096, IsRight = True }", output, StringComparison.Ordinal);
    }
}
