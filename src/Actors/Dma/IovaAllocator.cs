using System.Numerics;
using Riser.Actors.Backends;

namespace Riser.Actors.Dma;

/// <summary>
/// Which IOVAs of one device are taken. Chosen ones are the lowest that fit, aligned to the largest page
/// size that the size fills, so that the IOMMU can use large pages; to smaller ones where there is no such gap. Page 0 is
/// never chosen: an address of 0 in a descriptor is nearly always a bug. Thread-safe.
/// </summary>
internal sealed class IovaAllocator
{
    private readonly Lock _sync = new();
    private readonly IommuInfo _iommu;
    private readonly IovaRange[] _aperture;
    private readonly SortedRanges<object?> _taken = new();

    // Where the search may begin, by alignment: nothing of at least this size is free below. Keeps a run of equal
    // allocations from searching what is full again and again.
    private readonly (ulong Size, ulong From)[] _full = new (ulong, ulong)[64]; // by the alignment's bit; size 0: nothing is known
    private ulong _known; // the alignments of which something is

    public IovaAllocator(IommuInfo iommu)
    {
        _iommu = iommu;
        _aperture = [.. iommu.Aperture.Where(a => a.Size > 0).OrderBy(a => a.Start)];
    }

    /// <summary>What is taken, in order.</summary>
    public IReadOnlyList<IovaRange> Taken
    {
        get
        {
            lock (_sync)
                return [.. _taken.All.Select(taken => taken.Range)];
        }
    }

    /// <summary>Takes the lowest free range that fits.</summary>
    /// <param name="size">Bytes, a multiple of <see cref="IommuInfo.Alignment"/>.</param>
    /// <exception cref="PciException">EINVAL: size is 0 or not a multiple of the page size; ENOSPC: no gap is large enough.</exception>
    public IovaRange Allocate(ulong size)
    {
        CheckSize(size);
        lock (_sync)
        {
            for (ulong alignment = LargestPage(size); ; alignment = SmallerPage(alignment))
            {
                if (FirstFit(size, alignment) is { } found)
                {
                    _taken.Add(found, null);
                    ref var full = ref _full[BitOperations.Log2(alignment)];
                    if (full.Size == 0 || size <= full.Size)
                        full = (size, found.Start);
                    _known |= alignment;
                    return found;
                }

                if (alignment == _iommu.Alignment)
                    throw new PciException(Errno.ENOSPC, $"No {size} bytes in a row are free in the aperture {string.Join(", ", _aperture)}", "Release a range or map smaller pieces.");
            }
        }
    }

    /// <summary>Takes exactly this range.</summary>
    /// <exception cref="PciException">EINVAL: misaligned, empty or outside the aperture; EOVERFLOW: it wraps; EEXIST: a part is taken.</exception>
    public void Reserve(IovaRange range)
    {
        CheckSize(range.Size);
        if ((range.Start & (_iommu.Alignment - 1)) != 0)
            throw new PciException(Errno.EINVAL, $"IOVA 0x{range.Start:x} is not a multiple of the IOMMU's page size 0x{_iommu.Alignment:x}", "Align it.");
        if (range.Last < range.Start)
            throw new PciException(Errno.EOVERFLOW, $"IOVA 0x{range.Start:x} and 0x{range.Size:x} bytes wrap around the end of the address space", "Use a lower IOVA or a smaller size.");
        if (!IsInAperture(range))
            throw new PciException(Errno.EINVAL, $"IOVA {range} is outside the aperture {string.Join(", ", _aperture)}", "Choose an IOVA inside one of these ranges.");
        lock (_sync)
        {
            if (Meets(range) is { } met)
                throw new PciException(Errno.EEXIST, $"IOVA {range} overlaps {met}, which is taken", "Release that first or choose another IOVA.");
            _taken.Add(range, null);
        }
    }

    /// <summary>Takes exactly this range, if nothing stands in the way.</summary>
    public bool TryReserve(IovaRange range)
    {
        if (range.Size == 0 || ((range.Start | range.Size) & (_iommu.Alignment - 1)) != 0 || range.Last < range.Start || !IsInAperture(range))
            return false;
        lock (_sync)
        {
            if (Meets(range) is not null)
                return false;
            _taken.Add(range, null);
            return true;
        }
    }

    /// <summary>Gives back exactly one range that was allocated or reserved.</summary>
    /// <exception cref="PciException">ENOENT: nothing begins there; EINVAL: it has another size.</exception>
    public void Release(IovaRange range)
    {
        lock (_sync)
        {
            if (!_taken.TryGet(range.Start, out var taken))
                throw new PciException(Errno.ENOENT, $"No range that was taken begins at IOVA 0x{range.Start:x}", "Release a range once, as it was taken.");
            if (taken.Range.Size != range.Size)
                throw new PciException(Errno.EINVAL, $"The range at IOVA 0x{range.Start:x} has 0x{taken.Range.Size:x} bytes, not 0x{range.Size:x}", "Release exactly what was taken.");
            ulong gap = _taken.TryLast(range.Start, out var below) ? below.Last + 1 : 0;
            _taken.Remove(range.Start);
            for (ulong left = _known; left != 0; left &= left - 1)
            {
                ref var full = ref _full[BitOperations.TrailingZeroCount(left)];
                full.From = Math.Min(full.From, gap);
            }
        }
    }

    private IovaRange? FirstFit(ulong size, ulong alignment)
    {
        var full = _full[BitOperations.Log2(alignment)];
        ulong from = full.Size > 0 && size >= full.Size ? full.From : _iommu.Alignment;
        foreach (var range in _aperture)
        {
            ulong start = Math.Max(range.Start, Math.Max(from, _iommu.Alignment));
            for (var next = _taken.From(start); ; next.MoveNext())
            {
                // An end of 2^64 is written as 0; comparisons go by the last byte.
                ulong aligned = (start + alignment - 1) & ~(alignment - 1);
                if (aligned < start || aligned > range.Last || range.Last - aligned < size - 1)
                    break;
                var candidate = new IovaRange(aligned, size);
                if (next.IsAtEnd || candidate.Last < next.Range.Start)
                    return candidate;
                next.SkipFull(size);
                start = next.Range.Last + 1;
                if (start == 0)
                    break;
            }
        }

        return null;
    }

    private IovaRange? Meets(IovaRange range) => _taken.TryFirst(range.Start, out var met) && met.Range.Overlaps(range) ? met.Range : null;

    private bool IsInAperture(IovaRange range)
    {
        foreach (var part in _aperture)
        {
            if (part.Contains(range))
                return true;
        }

        return false;
    }

    private void CheckSize(ulong size)
    {
        if (size == 0 || (size & (_iommu.Alignment - 1)) != 0)
            throw new PciException(Errno.EINVAL, $"{size} bytes are not whole pages of 0x{_iommu.Alignment:x} bytes", "Round the size up to the IOMMU's page size.");
    }

    private ulong LargestPage(ulong size)
    {
        ulong atMost = ulong.MaxValue >> BitOperations.LeadingZeroCount(size); // all bits up to the size's highest
        ulong fits = _iommu.PageSizes & atMost;
        return 1UL << BitOperations.Log2(fits);
    }

    private ulong SmallerPage(ulong alignment) => 1UL << BitOperations.Log2(_iommu.PageSizes & (alignment - 1));
}
