#pragma warning disable CA1822
using Riser.Actors.Backends;

namespace Riser.Actors.Dma;

internal sealed class IovaAllocator(IommuInfo i) { public IovaRange Allocate(ulong s) => default; public void Reserve(IovaRange r) { } public void Release(IovaRange r) { _ = i; } }
