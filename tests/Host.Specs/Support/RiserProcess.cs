using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;

namespace Riser.Host.Specs.Support;

/// <summary>The real executable as a process of its own.</summary>
internal sealed class RiserProcess : IAsyncDisposable
{
    // A shell that runs the specs in the background has SIGINT ignored, and so would have whatever is started here.
    private static readonly string[] s_program = ["env", "--default-signal=INT", "dotnet"];

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly StringBuilder _errors = new();
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly Task<string> _output;

    private RiserProcess(Process process)
    {
        _process = process;
        _output = process.StandardOutput.ReadToEndAsync();
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is not { } text)
            {
                _lines.Writer.TryComplete();
                return;
            }
            lock (_errors)
                _errors.AppendLine(text);
            _lines.Writer.TryWrite(text);
        };
        process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    /// <summary>Runs to its end. Backends of this assembly can be configured: it is among the process's dependencies.</summary>
    public static async Task<Result> RunAsync(params string[] arguments)
    {
        await using var process = Start(arguments);
        return await process.EndAsync();
    }

    /// <summary>The same through another program, such as setpriv, that starts what it is given.</summary>
    public static async Task<Result> RunAsAsync(IReadOnlyList<string> through, params string[] arguments)
    {
        await using var process = Start([.. through, .. s_program], arguments);
        return await process.EndAsync();
    }

    public static RiserProcess Start(params string[] arguments) => Start(s_program, arguments);

    private static RiserProcess Start(string[] program, string[] arguments)
    {
        string here = AppContext.BaseDirectory;
        var start = new ProcessStartInfo(program[0])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        string[] all =
        [
            .. program[1..],
            "exec",
            "--depsfile", Path.Combine(here, "Riser.Host.Specs.deps.json"),
            "--runtimeconfig", Path.Combine(here, "riser.runtimeconfig.json"),
            Path.Combine(here, "riser.dll"),
            .. arguments,
        ];
        foreach (string argument in all)
            start.ArgumentList.Add(argument);
        return new(Process.Start(start)!);
    }

    /// <summary>Waits for a line on standard error.</summary>
    public async Task SaidAsync(Predicate<string> line)
    {
        using var limit = new CancellationTokenSource(s_patience);
        await foreach (string said in _lines.Reader.ReadAllAsync(limit.Token))
        {
            if (line(said))
                return;
        }
        Assert.Fail($"It ended without saying so: {_errors}");
    }

    public async Task<Result> EndAsync()
    {
        using var limit = new CancellationTokenSource(s_patience);
        await _process.WaitForExitAsync(limit.Token);
        _process.WaitForExit(); // until standard error has been read to its end
        lock (_errors)
            return new(_process.ExitCode, _output.GetAwaiter().GetResult(), _errors.ToString());
    }

    public ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
        return ValueTask.CompletedTask;
    }

    internal sealed record Result(int Status, string Output, string Errors)
    {
        /// <summary>Standard output as the one JSON document that it must be.</summary>
        public JsonElement Json() => JsonDocument.Parse(Output).RootElement;

        public void MustBe(int status) => Assert.True(Status == status, $"Exit status {Status}, not {status}.{Environment.NewLine}{Errors}{Output}");
    }
}
