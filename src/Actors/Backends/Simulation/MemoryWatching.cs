namespace Riser.Actors.Backends.Simulation;

/// <summary>Where the simulation hears that memory it does not own has gone.</summary>
internal static class MemoryWatching
{
    /// <summary>Calls <paramref name="gone"/> when a part of the range is unmapped, moved or dropped; null where nobody can watch it.</summary>
    public static IDisposable? Watch(HostRange range, Action gone) => null;
}
