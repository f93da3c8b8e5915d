using System.Numerics;
using Akka.Actor;

namespace Riser.Actors.Interrupts;

/// <summary>
/// Subscriptions of one subscriber to many vectors that share one message: "some of these have fired". However many vectors fire together, the
/// subscriber's mailbox gets one message, and each further vector costs it a few nanoseconds instead of a message. Made by
/// the subscriber, given to every vector with <see cref="InterruptProtocol.Subscribe"/>; it never leaves the process.
/// </summary>
/// <remarks>
/// Thread-safe, but meant for its subscriber alone. Why no wake is lost stands at <see cref="Summons"/>.
/// </remarks>
/// <example>
/// <code>
/// Receive&lt;InterruptSet&gt;(set =&gt;
/// {
///     foreach (var (signal, count) in set.Take())
///         Handle(signal.Vector, count);
/// });
/// </code>
/// </example>
public sealed class InterruptSet : INoSerializationVerificationNeeded
{
    private const int Bits = 64;

    private readonly Lock _adding = new();
    private readonly InterruptSignal?[] _signals; // by place; written under _adding
    private readonly VectorChannel?[] _channels; // whose place it is; the same
    private readonly ulong[] _fired; // a bit for each place
    private IActorRef? _owner; // the one subscriber; written under _adding
    private Summons _summons; // from the Tell to the Take

    /// <param name="vectors">How many vectors may share it, 1 to 65536.</param>
    /// <exception cref="ArgumentOutOfRangeException">No such number.</exception>
    public InterruptSet(int vectors = 2048)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vectors, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(vectors, 65536);
        _signals = new InterruptSignal?[vectors];
        _channels = new VectorChannel?[vectors];
        _fired = new ulong[(vectors + Bits - 1) / Bits];
    }

    /// <summary>How many vectors may share it.</summary>
    public int Capacity => _signals.Length;

    /// <summary>
    /// Those that have fired since the last Take, each with what <see cref="InterruptSignal.Take"/> returns for it; one that an earlier Take has
    /// collected already is left out. Lets the next message come. What is left when the enumeration is broken off comes with the next message.
    /// </summary>
    public Fired Take()
    {
        _summons.Clear();
        return new(this);
    }

    /// <summary>Keeps a place for a subscription.</summary>
    /// <returns>Null, or why there is none.</returns>
    internal (Errno Errno, string Why, string Fix)? Reserve(IActorRef subscriber, VectorChannel channel)
    {
        lock (_adding)
        {
            if (_owner is not null && !_owner.Equals(subscriber))
                return (Errno.EBUSY, $"The set is {_owner.Path.Name}'s", "Make a set for each subscriber.");
            int place = PlaceOf(channel);
            if (place < 0)
                return (Errno.ENOSPC, $"The set has room for {Capacity} vectors, and they are all taken", "Make it with room for more.");
            (_owner, _channels[place]) = (subscriber, channel);
            return null;
        }
    }

    /// <summary>Puts a subscription in the place that was kept for it, or in that of the one of the same vector which it replaces.</summary>
    internal int Add(VectorChannel channel, InterruptSignal signal)
    {
        lock (_adding)
        {
            int place = PlaceOf(channel);
            (_owner, _channels[place]) = (signal.Subscriber, channel);
            Volatile.Write(ref _signals[place], signal);
            // A subscriber that crashed over the message has lost it.
            _summons.Clear();
            if (HasFired)
                SendAgain();
            return place;
        }
    }

    /// <summary>Gives a place back. A reactor may still mark it once: its next owner then hears of nothing, once.</summary>
    internal void Remove(VectorChannel channel)
    {
        lock (_adding)
        {
            int place = Array.IndexOf(_channels, channel);
            if (place < 0)
                return;
            Volatile.Write(ref _signals[place], null);
            _channels[place] = null;
        }
    }

    /// <summary>Notes that a place has fired.</summary>
    /// <returns>True for the one caller that must send the message now.</returns>
    internal bool Mark(int place) => _summons.Mark(new Places(_fired), place);

    private int PlaceOf(VectorChannel channel)
    {
        int place = Array.IndexOf(_channels, channel);
        return place >= 0 ? place : Array.IndexOf(_channels, null);
    }

    private bool HasFired => _fired.AsSpan().ContainsAnyExcept(0UL);

    private void SendAgain()
    {
        if (_summons.Claim())
            _owner?.Tell(this, ActorRefs.NoSender);
    }

    private readonly struct Places(ulong[] fired) : IMarks
    {
        public void Set(int place) => Interlocked.Or(ref fired[place / Bits], 1UL << (place % Bits));
    }

    /// <summary>What a <see cref="Take"/> goes through, once and in order of subscription.</summary>
    public struct Fired : IDisposable
    {
        private readonly InterruptSet _set;
        private int _word = -1;
        private ulong _left; // of that word, as it was when it was reached

        internal Fired(InterruptSet set) => _set = set;

        /// <summary>Which vector, and how often.</summary>
        public (InterruptSignal Signal, long Count) Current { readonly get; private set; }

        /// <summary>For foreach.</summary>
        public readonly Fired GetEnumerator() => this;

        /// <summary>Takes the next one.</summary>
        public bool MoveNext()
        {
            while (true)
            {
                while (_left == 0)
                {
                    if (++_word >= _set._fired.Length)
                        return false;
                    _left = Volatile.Read(ref _set._fired[_word]);
                }

                int bit = BitOperations.TrailingZeroCount(_left);
                _left &= _left - 1;
                Interlocked.And(ref _set._fired[_word], ~(1UL << bit)); // one by one: what is not reached stays
                if (Volatile.Read(ref _set._signals[(_word * Bits) + bit]) is { } signal && signal.Take() is > 0 and var count)
                {
                    Current = (signal, count);
                    return true;
                }
            }
        }

        /// <summary>Sends the message again if something is left.</summary>
        public readonly void Dispose()
        {
            if (_word < _set._fired.Length && _set.HasFired)
                _set.SendAgain();
        }
    }
}
