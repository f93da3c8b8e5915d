namespace Riser.Benchmarks;

/// <summary>Something to measure.</summary>
internal interface IBenchmark
{
    /// <summary>Its rows' <see cref="Row.Benchmark"/>, and the name of its table in the document.</summary>
    string Name { get; }

    /// <summary>One sentence.</summary>
    string What { get; }

    /// <exception cref="RefusalException">A check failed: there is nothing to report.</exception>
    Task<IReadOnlyList<Row>> RunAsync(Scope scope);
}

/// <summary>Something of which each part is to be measured in a process that has had nothing else.</summary>
internal interface IPartedBenchmark
{
    /// <inheritdoc cref="IBenchmark.Name"/>
    string Name { get; }

    /// <inheritdoc cref="IBenchmark.What"/>
    string What { get; }

    /// <summary>How many.</summary>
    int Parts { get; }

    /// <param name="part">From 0.</param>
    /// <param name="scope">How much.</param>
    /// <exception cref="RefusalException">A check failed: there is nothing to report.</exception>
    Task<IReadOnlyList<Row>> RunAsync(int part, Scope scope);
}

/// <summary>How much is measured.</summary>
/// <param name="IsQuick">A look only: few events, noisy figures.</param>
/// <param name="Progress">Is told what happens.</param>
/// <param name="Part">What this process was started for by <see cref="InProcesses"/>; null: by somebody else.</param>
internal sealed record Scope(bool IsQuick, Action<string> Progress, int? Part = null)
{
    /// <summary>How often floor and variants take turns.</summary>
    public int Turns => IsQuick ? 3 : 7;

    public long Events(long full) => IsQuick ? Math.Max(1, full / 10) : full;
}
