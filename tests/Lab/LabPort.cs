using System.Text;
using System.Text.Json;

namespace Riser.Lab;

/// <summary>
/// A port between a spec and the machine around it: the QEMU monitor (LAB_MONITOR) and the doorbell of the
/// ivshmem device (LAB_DOORBELL). The kernel lets a port be opened once at a time, so calls wait for each other.
/// </summary>
internal static class LabPort
{
    private static readonly SemaphoreSlim s_one = new(1);

    /// <summary>Rings one vector of the ivshmem device, from another process; completes when all eventfd writes are done.</summary>
    /// <param name="vector">0 or 1.</param>
    /// <param name="count">Writes; the device sees those that come close together as one.</param>
    public static Task Ring(int vector, int count) =>
        Ask("LAB_DOORBELL", $"{vector} {count}", answer => answer == $"{vector} {count}" ? answer
            : throw new InvalidOperationException($"The doorbell refused {vector} {count}: {answer}"));

    /// <summary>One command of QEMU's human monitor, e.g. <c>device_del lab-edu</c>; returns what it printed (empty when it worked).</summary>
    public static Task<string> Monitor(string command)
    {
        var id = Guid.NewGuid().ToString("N");
        var request = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["execute"] = "human-monitor-command",
            ["arguments"] = new Dictionary<string, string>(StringComparer.Ordinal) { ["command-line"] = command },
            ["id"] = id,
        };
        return Ask("LAB_MONITOR", JsonSerializer.Serialize(request), line =>
        {
            using var answer = JsonDocument.Parse(line);
            var root = answer.RootElement;
            if (!root.TryGetProperty("id", out var of) || of.GetString() != id)
                return null; // an event, or the answer to someone who did not wait for it
            return root.TryGetProperty("return", out var text) ? text.GetString()!
                : throw new InvalidOperationException($"The monitor refused '{command}': {line}");
        });
    }

    private static async Task<string> Ask(string port, string line, Func<string, string?> accept)
    {
        await s_one.WaitAsync();
        try
        {
            await using var stream = new FileStream(LabMachine.Variable(port), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            await stream.WriteAsync(Encoding.ASCII.GetBytes(line + "\n"));
            using var reader = new StreamReader(stream, Encoding.ASCII);
            while (await reader.ReadLineAsync() is { } answer)
                if (accept(answer.Trim()) is { } accepted)
                    return accepted;
            throw new InvalidOperationException($"{port} closed before it answered '{line}'.");
        }
        finally
        {
            s_one.Release();
        }
    }
}
