using Riser.Actors.Backends;

namespace Riser.Host.Service;

/// <summary>What a run is to do.</summary>
/// <param name="Devices">Which devices; none: every simulated one.</param>
/// <param name="Exercise">Load them through the backend's trigger and their DMA engines.</param>
/// <param name="For">How long; null: until a signal.</param>
internal sealed record RunOptions(IReadOnlyList<DeviceId> Devices, bool Exercise, TimeSpan? For);
