using System.Globalization;

namespace Riser.Benchmarks;

/// <summary>On how many processors this process runs: all its threads, those of .NET and Akka too.</summary>
internal static class Cores
{
    /// <summary>Everything on one core, until disposed.</summary>
    public static IDisposable One()
    {
        Bind(1);
        return new Release();
    }

    /// <exception cref="RefusalException">There is only one.</exception>
    public static void Check()
    {
        if (Environment.ProcessorCount < 2)
            throw new RefusalException("This machine lends one processor only; producer and reactor need two of them to be told apart. Run the suite on two or more.");
        Bind(Environment.ProcessorCount); // takes down which they are
    }

    private static void Bind(int count)
    {
        // Threads that start meanwhile inherit from one that has been bound or is bound by the second pass.
        for (int pass = 0; pass < 2; pass++)
        {
            foreach (string task in Directory.GetDirectories("/proc/self/task"))
            {
                if (Floor.floor_bind(int.Parse(Path.GetFileName(task), CultureInfo.InvariantCulture), count) != 0 && Directory.Exists(task))
                    throw new RefusalException($"Thread {Path.GetFileName(task)} could not be bound to {count} processors.");
            }
        }
    }

    private sealed class Release : IDisposable
    {
        public void Dispose() => Bind(Environment.ProcessorCount);
    }
}
