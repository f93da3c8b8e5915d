using System.Globalization;

namespace Riser.Soak.Specs;

/// <summary>
/// How long a soak is: a brief form by itself, a share of the full length when <c>RISER_SOAK</c> says so (1 is all of it). The same seed,
/// <c>RISER_SOAK_SEED</c>, makes the same choices.
/// </summary>
public static class Soak
{
    private static readonly Lock s_writing = new();

    /// <summary>Where every choice of a soak begins.</summary>
    public static int Seed { get; } = int.TryParse(Environment.GetEnvironmentVariable("RISER_SOAK_SEED"), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int seed) ? seed : 1;

    /// <summary>Whether this run is more than the brief form.</summary>
    public static bool IsLong => Share is not null;

    private static double? Share { get; } = Environment.GetEnvironmentVariable("RISER_SOAK") is { Length: > 0 } share
        ? double.Parse(share, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture)
        : null;

    /// <summary>How much of something there is in this run.</summary>
    public static int Length(int full, int brief) => Share is { } share ? Math.Max(brief, (int)Math.Min(full * share, int.MaxValue)) : brief;

    /// <summary>One line of what was measured: to the file that <c>RISER_SOAK_FIGURES</c> names.</summary>
    public static void Tell(FormattableString figure)
    {
        if (Environment.GetEnvironmentVariable("RISER_SOAK_FIGURES") is not { Length: > 0 } file)
            return;
        lock (s_writing)
            File.AppendAllText(file, $"{figure.ToString(CultureInfo.InvariantCulture)} (seed {Seed})\n");
    }
}
