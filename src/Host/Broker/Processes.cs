using System.Globalization;
using Mono.Unix.Native;
using Riser.Actors.Interop;

namespace Riser.Host.Broker;

/// <summary>Which processes have a file open, and whose they are. What a process has open is never asked of the file system behind it, which may not answer. Thread-safe.</summary>
internal sealed class Processes(string proc)
{
    private const int MostNamed = 8, PathMax = 4096;

    /// <summary>The processes that have a file open under this name, as far as this process may look.</summary>
    public IReadOnlyList<int> With(string file)
    {
        List<int> found = [];
        foreach (string name in Names(proc))
        {
            if (int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int process) && Has(process, file))
                found.Add(process);
        }
        return found;
    }

    /// <summary>Whether a process has a file open under this name. The name alone proves nothing: a mount namespace of its own shows any.</summary>
    public bool Has(int process, string file)
    {
        if (process <= 0)
            return false;
        string folder = Path.Combine(Folder(process), "fd");
        byte[] target = new byte[PathMax];
        var links = Names(folder).Select(n => Path.Combine(folder, n)).Where(l => Link(l, target) == file);
        return FileIdentity.Of(file) is { } it ? links.Any(l => FileIdentity.Of(l) == it) : links.Any();
    }

    /// <summary>Whether a user could end a process himself: it runs as he does, or did before it took on other rights.</summary>
    public bool IsOf(int process, uint user)
    {
        try
        {
            // proc_pid_status(5): the real, the effective, the saved and the file system's user. Who owns the folder says less: a process can have it belong to root.
            string[] users = File.ReadLines(Path.Combine(Folder(process), "status")).First(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t');
            return new[] { users[1], users[3] }.Contains(user.ToString(CultureInfo.InvariantCulture));
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>Some of them by number, and how many more there are: as many as somebody starts would fit into no message.</summary>
    public static string Named(IReadOnlyList<int> processes) => processes.Count <= MostNamed
        ? string.Join(", ", processes)
        : $"{string.Join(", ", processes.Take(MostNamed))} and {processes.Count - MostNamed} more";

    private string Folder(int process) => Path.Combine(proc, process.ToString(CultureInfo.InvariantCulture));

    private static string? Link(string path, byte[] target)
    {
        long length = Syscall.readlink(path, target);
        return length >= 0 ? System.Text.Encoding.UTF8.GetString(target, 0, (int)length) : null;
    }

    // .NET's enumeration asks what each link leads to.
    private static List<string> Names(string folder)
    {
        List<string> names = [];
        nint stream = Syscall.opendir(folder);
        if (stream == 0)
        {
            var errno = Stdlib.GetLastError();
            return Errnos.IsShortage(errno) ? throw new NativeException("opendir", errno) : names;
        }
        while (Syscall.readdir(stream) is { } entry)
        {
            if (entry.d_name is not ("." or ".."))
                names.Add(entry.d_name);
        }
        _ = Syscall.closedir(stream);
        return names;
    }
}
