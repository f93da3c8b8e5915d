using Riser.Actors.Backends;
using Riser.Actors.Interop;

namespace Riser.Actors.Specs.Backends;

/// <summary>Anonymous memory for a spec, page aligned, unmapped at the end.</summary>
public sealed class TestMemory : IDisposable
{
    private readonly MemoryMapping _mapping;

    public TestMemory(ulong size)
    {
        _mapping = MemoryMapping.Create((nuint)size, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS);
        Size = size;
    }

    public ulong Size { get; }

    public HostRange Range => new((ulong)_mapping.Address, Size);

    public unsafe Span<byte> Bytes => new((void*)_mapping.Address, (int)Size);

    public DmaPiece At(ulong iova, DmaAccess access = DmaAccess.ReadWrite) => new(iova, Range, access);

    public void Dispose() => _mapping.Dispose();
}
