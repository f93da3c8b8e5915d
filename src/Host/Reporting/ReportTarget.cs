using System.Text.Json;
using Riser.Host.Service;

namespace Riser.Host.Reporting;

/// <summary>Where the report goes. Opened before anything is started, so that a run is never for nothing.</summary>
internal sealed class ReportTarget : IAsyncDisposable
{
    private readonly Stream? _stream;
    private string? _empty; // a file that was made here and has nothing in it yet

    private ReportTarget(Stream? stream, bool takesStandardOutput, string? empty = null)
    {
        _stream = stream;
        _empty = empty;
        TakesStandardOutput = takesStandardOutput;
    }

    /// <summary>Whether nothing else may be written there.</summary>
    public bool TakesStandardOutput { get; }

    /// <param name="where">A file, '-', or null for no report.</param>
    /// <exception cref="UsageException">The file cannot be written.</exception>
    public static ReportTarget Open(string? where)
    {
        if (where is null)
            return new(null, takesStandardOutput: false);
        if (where == "-")
            return new(Console.OpenStandardOutput(), takesStandardOutput: true);
        try
        {
            string? made = File.Exists(where) ? null : where;
            return new(new FileStream(where, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read), takesStandardOutput: false, made);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new UsageException($"The report '{where}' cannot be written: {problem.Message.TrimEnd('.')}.", "Name a file in a directory that you can write to, or '-' for standard output.");
        }
    }

    public async Task WriteAsync(RunResult result)
    {
        if (_stream is null)
            return;
        _empty = null;
        if (_stream.CanSeek && !TakesStandardOutput)
            _stream.SetLength(0);
        await JsonSerializer.SerializeAsync(_stream, result.Report, ReportJson.Default.Report);
        _stream.WriteByte((byte)'\n');
        await _stream.FlushAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_stream is not null)
            await _stream.DisposeAsync();
        if (_empty is not null)
            File.Delete(_empty); // a run that failed has no report
    }
}
