using System.Buffers;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Hardware;

/// <summary>What can be asked of the vectors of one device, and how their eventfds are handed to the kernel.</summary>
internal static class VectorTable
{
    /// <summary>The kind, if the vectors are among its own.</summary>
    /// <exception cref="PciException">EINVAL: no such kind, or no such vectors.</exception>
    public static VectorInfo Check(IReadOnlyList<VectorInfo> kinds, VectorKind kind, int start, int count)
    {
        var info = kinds.FirstOrDefault(k => k.Kind == kind)
            ?? throw Invalid($"The function has no {kind} vectors", $"It has {(kinds.Count == 0 ? "none" : string.Join(", ", kinds.Select(k => $"{k.Count} {k.Kind}")))}.");
        return start >= 0 && count >= 1 && start <= info.Count - count
            ? info
            : throw Invalid($"{count} {kind} vectors from {start} are not among the {info.Count} of the function", $"Use 0 to {info.Count - 1}.");
    }

    /// <summary>Runs a call with the descriptors' numbers. The kernel takes references of its own, so the handles are held only for the call.</summary>
    /// <param name="eventFds">-1 stands for null, and for one that its owner has closed.</param>
    /// <param name="call">The call.</param>
    public static T With<T>(ReadOnlySpan<EventFdHandle?> eventFds, Func<int[], T> call)
    {
        int[] numbers = ArrayPool<int>.Shared.Rent(eventFds.Length);
        var held = new List<EventFdHandle>(eventFds.Length);
        try
        {
            for (int i = 0; i < eventFds.Length; i++)
                numbers[i] = eventFds[i] is { } eventFd && TryHold(eventFd, held) ? eventFd.Number : -1;
            return call(numbers);
        }
        finally
        {
            foreach (var eventFd in held)
                eventFd.DangerousRelease();
            ArrayPool<int>.Shared.Return(numbers);
        }
    }

    private static bool TryHold(EventFdHandle eventFd, List<EventFdHandle> held)
    {
        try
        {
            bool added = false;
            eventFd.DangerousAddRef(ref added);
            held.Add(eventFd);
            return true;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }

    private static PciException Invalid(string why, string fix) => new(Errno.EINVAL, why, fix);
}
