namespace Riser.Actors.Reactor;

/// <summary>
/// The sources of one loop by token. A token is a slot's index and, above it, how often the slot was used before, so
/// that an event of a closed descriptor finds nothing, even when its successor has the same number and the same slot.
/// </summary>
internal sealed class SourceTable
{
    private readonly Lock _gate = new();
    private readonly Stack<int> _free = [];
    private volatile SignalSource?[] _slots = new SignalSource?[64];
    private uint[] _generations = new uint[64];
    private int _used; // slots that were ever used
    private int _count;

    /// <summary>How many sources there are.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Puts what <paramref name="make"/> makes of a new token into the table. Any thread.</summary>
    public SignalSource Add(Func<ulong, SignalSource> make)
    {
        lock (_gate)
        {
            if (!_free.TryPop(out int index))
                index = NextUnused();
            var source = make(((ulong)_generations[index] << 32) | (uint)index);
            Volatile.Write(ref _slots[index], source);
            _count++;
            return source;
        }
    }

    /// <summary>Takes a source out; from now on its token finds nothing. Any thread.</summary>
    public void Remove(SignalSource source)
    {
        lock (_gate)
        {
            int index = (int)(uint)source.Token;
            if (_slots[index] != source)
                return;
            Volatile.Write(ref _slots[index], null);
            _generations[index]++;
            _free.Push(index);
            _count--;
        }
    }

    /// <summary>The source with this token, or null when it is gone. Any thread, without a lock.</summary>
    public SignalSource? Find(ulong token)
    {
        var slots = _slots;
        uint index = (uint)token;
        if (index >= (uint)slots.Length)
            return null;
        var source = Volatile.Read(ref slots[index]);
        return source is not null && source.Token == token ? source : null;
    }

    /// <summary>All sources there are now.</summary>
    public SignalSource[] ToArray()
    {
        lock (_gate)
            return [.. _slots.OfType<SignalSource>()];
    }

    private int NextUnused()
    {
        if (_used == _slots.Length)
        {
            var slots = _slots;
            Array.Resize(ref slots, _used * 2);
            Array.Resize(ref _generations, _used * 2);
            _slots = slots; // a reader of the old array misses no source that it can have an event of: it looks again for each event
        }

        return _used++;
    }
}
