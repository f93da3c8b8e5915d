namespace Riser.Benchmarks;

/// <summary>The suite does not report: a check of its own failed.</summary>
internal sealed class RefusalException(string why) : Exception(why);
