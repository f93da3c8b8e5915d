namespace Riser.Host.Service;

/// <summary>
/// Where log lines go: standard error, or, while a live table has the terminal, aside, so that they do not tear it. Static
/// because Akka.NET makes its loggers by itself. Thread-safe.
/// </summary>
internal static class LogSink
{
    private const int Kept = 1000; // lines; a storm of warnings must not eat the memory

    private static readonly Lock s_sync = new();
    private static readonly Queue<string> s_aside = [];
    private static bool s_isAside;
    private static int s_dropped;

    public static void Write(string line)
    {
        lock (s_sync)
        {
            if (!s_isAside)
            {
                Console.Error.WriteLine(line);
                return;
            }
            s_aside.Enqueue(line);
            if (s_aside.Count > Kept && s_aside.TryDequeue(out _))
                s_dropped++;
        }
    }

    /// <summary>Keeps lines aside until the result is disposed; then they are written.</summary>
    public static IDisposable SetAside()
    {
        lock (s_sync)
            s_isAside = true;
        return new Aside();
    }

    /// <summary>The latest lines that are aside, oldest first.</summary>
    public static IReadOnlyList<string> Latest(int count)
    {
        lock (s_sync)
            return [.. s_aside.TakeLast(count)];
    }

    private sealed class Aside : IDisposable
    {
        public void Dispose()
        {
            lock (s_sync)
            {
                s_isAside = false;
                if (s_dropped > 0)
                    Console.Error.WriteLine($"({s_dropped} older lines were dropped)");
                while (s_aside.TryDequeue(out string? line))
                    Console.Error.WriteLine(line);
            }
        }
    }
}
