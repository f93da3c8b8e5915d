using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Dma;
using Riser.Actors.Interop;
using Riser.Actors.Interrupts;

namespace Riser.Actors.Devices;

/// <summary>
/// A device's DMA regions and vectors, and what of them every session has to set up. Held by the device's actor alone.
/// It owns memory and eventfds and gives them back only when no session can reach them.
/// </summary>
internal sealed class DeviceParts(DeviceCounters counters) : IDisposable
{
    // By the very reference: a region asks as itself, and a path takes long to hash.
    private readonly Dictionary<IActorRef, Part> _regions = new(ReferenceEqualityComparer.Instance);
    private readonly SortedDictionary<int, (VectorChannel Channel, IActorRef Actor)> _vectors = [];
    private ulong _lockedBytes;

    public IEnumerable<IActorRef> Regions => _regions.Keys;

    public IEnumerable<IActorRef> Vectors => _vectors.Values.Select(v => v.Actor);

    /// <summary>The kind of vector in use; null when none is open.</summary>
    public VectorKind? Kind => _vectors.Count == 0 ? null : _vectors.First().Value.Channel.Kind;

    /// <summary>Everything that is to be mapped in the present or next session.</summary>
    public IReadOnlyList<DmaPiece> Pieces
    {
        get
        {
            var pieces = new List<DmaPiece>(_regions.Count);
            foreach (var part in _regions.Values)
                pieces.AddRange(part.Mapped);
            return pieces;
        }
    }

    /// <summary>The eventfds by vector number, with gaps where a vector is not open.</summary>
    public IReadOnlyList<EventFdHandle?> EventFds
    {
        get
        {
            var fds = new EventFdHandle?[_vectors.Values.Select(v => v.Channel.Vector + v.Channel.Width).DefaultIfEmpty(0).Max()];
            foreach (var (channel, _) in _vectors.Values)
                fds.AsSpan(channel.Vector, channel.Width).Fill(channel.EventFd);
            return fds;
        }
    }

    /// <inheritdoc cref="AffinitiesOf"/>
    public IReadOnlyList<(int Vector, IReadOnlyList<int> Cpus)> Affinities => AffinitiesOf(_vectors.Values.Select(v => v.Channel));

    /// <summary>The CPUs of vectors that have been given some.</summary>
    public static IReadOnlyList<(int Vector, IReadOnlyList<int> Cpus)> AffinitiesOf(IEnumerable<VectorChannel> channels) =>
    [
        .. from channel in channels
           where channel.Affinity is not null
           from vector in Enumerable.Range(channel.Vector, channel.Width)
           select (vector, channel.Affinity),
    ];

    public void AddRegion(IActorRef region, DmaRegionCell cell) => _regions.Add(region, new(cell));

    public bool IsRegion(IActorRef actor) => _regions.ContainsKey(actor);

    public IReadOnlyList<DmaPiece> PiecesOf(IActorRef region) => _regions.TryGetValue(region, out var part) ? part.Mapped : [];

    public void Mapped(IActorRef region, IReadOnlyList<DmaPiece> pieces)
    {
        if (!_regions.TryGetValue(region, out var part))
            return;
        part.Mapped = part.Mapped.Count == 0 ? pieces : [.. part.Mapped, .. pieces];
        Lock(BytesOf(pieces), 0);
    }

    /// <param name="region">Whose they are.</param>
    /// <param name="pieces">The very ones that were mapped.</param>
    public void Unmapped(IActorRef region, IReadOnlyList<DmaPiece> pieces)
    {
        if (!_regions.TryGetValue(region, out var part))
            return;
        ulong before = BytesOf(part.Mapped);
        part.Mapped = Without(part.Mapped, pieces);
        Lock(0, before - BytesOf(part.Mapped));
    }

    /// <summary>A region whose pieces no session maps any more.</summary>
    public void DropRegion(IActorRef region)
    {
        if (_regions.Remove(region, out var part))
            part.Cell.Dispose();
    }

    public void AddVectors(IReadOnlyList<(VectorChannel Channel, IActorRef Actor)> vectors)
    {
        foreach (var vector in vectors)
            _vectors.Add(vector.Channel.Vector, vector);
        counters.Add([.. vectors.Select(v => v.Channel)]);
    }

    public VectorChannel? Channel(int vector) => _vectors.TryGetValue(vector, out var part) ? part.Channel : null;

    /// <summary>The channels that serve any of these vectors.</summary>
    public IEnumerable<VectorChannel> Serving(int start, int count) =>
        _vectors.Values.Select(v => v.Channel).Where(c => c.Vector < start + count && start < c.Vector + c.Width);

    public IActorRef? Vector(int vector) => _vectors.TryGetValue(vector, out var part) ? part.Actor : null;

    /// <summary>Counts everything that was signalled up to now.</summary>
    public DeviceProtocol.DeviceCounts Count()
    {
        foreach (var (channel, _) in _vectors.Values)
            channel.Drain();
        return new(_vectors.Values.Sum(v => v.Channel.Width), counters.Interrupts, counters.Messages, counters.Triggers, _regions.Count, _lockedBytes);
    }

    /// <summary>Only when there is no session: memory and eventfds go.</summary>
    public void Dispose()
    {
        foreach (var part in _regions.Values)
            part.Cell.Dispose();
        _regions.Clear();
        Lock(0, _lockedBytes);
        foreach (var (channel, _) in _vectors.Values)
            channel.Dispose();
        counters.Close([.. _vectors.Values.Select(v => v.Channel)]);
        _vectors.Clear();
    }

    private static ulong BytesOf(IReadOnlyList<DmaPiece> pieces)
    {
        ulong sum = 0;
        for (int i = 0; i < pieces.Count; i++)
            sum += pieces[i].Host.Size;
        return sum;
    }

    // As a rule all of a region, or some in the same order.
    private static IReadOnlyList<DmaPiece> Without(IReadOnlyList<DmaPiece> pieces, IReadOnlyList<DmaPiece> going)
    {
        var left = new List<DmaPiece>(Math.Max(0, pieces.Count - going.Count));
        int next = 0;
        for (int i = 0; i < pieces.Count; i++)
        {
            if (next < going.Count && ReferenceEquals(pieces[i], going[next]))
                next++;
            else
                left.Add(pieces[i]);
        }

        if (next == going.Count)
            return left.Count == 0 ? [] : left;
        var gone = going.ToHashSet<DmaPiece>(ReferenceEqualityComparer.Instance);
        return [.. pieces.Where(piece => !gone.Contains(piece))];
    }

    private void Lock(ulong more, ulong less)
    {
        _lockedBytes = _lockedBytes + more - less;
        counters.LockedBytes = (long)_lockedBytes;
    }

    /// <summary>A region, and what of it is to be mapped.</summary>
    private sealed class Part(DmaRegionCell cell)
    {
        public DmaRegionCell Cell => cell;

        public IReadOnlyList<DmaPiece> Mapped { get; set; } = [];
    }
}
