#pragma warning disable CA1822
using Riser.Actors.Backends;

namespace Riser.Actors.Reactor;

internal enum MemoryEventKind { Unmapped, Moved, Dropped }
internal readonly record struct MemoryEvent(MemoryEventKind Kind, HostRange Range, ulong NewAddress);
internal sealed class MemoryWatch { public static MemoryWatch Shared { get; } = new(); public static bool IsSupported(out string? why) { why = null; return false; } public IDisposable Watch(HostRange range, Action<MemoryEvent> onEvent) => null!; }
