using System.Globalization;

namespace Riser.Benchmarks;

/// <summary>Where the threads of this process run, those of .NET and Akka too.</summary>
internal static class Cores
{
    /// <exception cref="RefusalException">There is only one.</exception>
    public static void Check()
    {
        if (Environment.ProcessorCount < 2)
            throw new RefusalException("This machine lends one processor only; producer and reactor need two of them to be told apart. Run the suite on two or more.");
        Bind(0, Environment.ProcessorCount); // takes down which they are
    }

    /// <summary>Everything on one core, until disposed.</summary>
    public static IDisposable Shared()
    {
        Bind(0, 1);
        return new Release();
    }

    /// <summary>Everything on one core, and what wakes there waits until the calling thread sleeps; until disposed on that thread.</summary>
    public static IDisposable SharedInTurn()
    {
        Bind(0, 1);
        Order(batch: true);
        if (Floor.floor_batch(0, 0) != 0)
            throw new RefusalException("The producer's thread could not be given back its place in the order.");
        return new Release();
    }

    /// <summary>
    /// The calling thread on a core of its own and everything else on the others, until disposed on that thread. Where the scheduler
    /// chooses, a woken thread lands sometimes on the spinning producer's core and sometimes beside it, which differ by far
    /// more than what is compared.
    /// </summary>
    public static IDisposable Apart()
    {
        KeepApart();
        return new Release();
    }

    /// <summary>The same once more, for threads that have started since.</summary>
    public static void KeepApart()
    {
        Bind(1, Environment.ProcessorCount - 1);
        if (Floor.floor_bind(0, 0, 1) != 0)
            throw new RefusalException("The producer's thread could not be bound to a processor.");
    }

    private static void Bind(int first, int count)
    {
        // Threads that start meanwhile inherit from one that has been bound or is bound by the second pass.
        for (int pass = 0; pass < 2; pass++)
        {
            foreach (string task in Directory.GetDirectories("/proc/self/task"))
            {
                if (Floor.floor_bind(int.Parse(Path.GetFileName(task), CultureInfo.InvariantCulture), first, count) != 0 && Directory.Exists(task))
                    throw new RefusalException($"Thread {Path.GetFileName(task)} could not be bound to {count} processors.");
            }
        }
    }

    private static void Order(bool batch)
    {
        foreach (string task in Directory.GetDirectories("/proc/self/task"))
        {
            if (Floor.floor_batch(int.Parse(Path.GetFileName(task), CultureInfo.InvariantCulture), batch ? 1 : 0) != 0 && Directory.Exists(task))
                throw new RefusalException($"Thread {Path.GetFileName(task)} could not be put into its class of the scheduler.");
        }
    }

    private sealed class Release : IDisposable
    {
        public void Dispose()
        {
            Order(batch: false);
            Bind(0, Environment.ProcessorCount);
        }
    }
}
