using System.Diagnostics;

namespace Riser.Lab.Specs;

/// <summary>The executable, as any user of the lab's machine runs it.</summary>
internal sealed class RiserProgram : IDisposable
{
    private readonly Process _process;
    private readonly Task<string> _output;
    private readonly Task<string> _errors;

    private RiserProgram(Process process)
    {
        _process = process;
        _output = process.StandardOutput.ReadToEndAsync();
        _errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>Built beside this assembly: artifacts/&lt;source&gt;/bin/&lt;project&gt;/&lt;configuration&gt;.</summary>
    public static string Path
    {
        get
        {
            string here = AppContext.BaseDirectory.TrimEnd(System.IO.Path.DirectorySeparatorChar);
            string bin = System.IO.Path.GetDirectoryName(System.IO.Path.GetDirectoryName(here)!)!;
            return System.IO.Path.Combine(bin, "Riser.Host", System.IO.Path.GetFileName(here), "riser.dll");
        }
    }

    public Process Process => _process;

    /// <summary>Starts it as root of the machine.</summary>
    public static RiserProgram Start(params string[] arguments) => Launch("dotnet", [Path, .. arguments]);

    /// <summary>Starts it as somebody who has no privileges.</summary>
    public static RiserProgram StartAs(int user, params string[] arguments) => Launch(
        "setpriv",
        [$"--reuid={user}", $"--regid={user}", "--clear-groups", "--inh-caps=-all", "dotnet", Path, .. arguments]);

    public (int Status, string Output, string Errors) End()
    {
        _process.WaitForExit();
        return (_process.ExitCode, _output.GetAwaiter().GetResult(), _errors.GetAwaiter().GetResult());
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private static RiserProgram Launch(string program, string[] arguments) => new(Process.Start(new ProcessStartInfo(program, arguments)
    {
        UseShellExecute = false,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!);
}
