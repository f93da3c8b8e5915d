namespace Riser.Host.Specs.Support;

/// <summary>A file that is gone after the spec.</summary>
internal sealed class TemporaryFile : IDisposable
{
    public TemporaryFile(string? text = null)
    {
        if (text is not null)
            File.WriteAllText(Path, text);
    }

    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"riser-specs-{Guid.NewGuid():N}");

    public void Dispose() => File.Delete(Path);
}
