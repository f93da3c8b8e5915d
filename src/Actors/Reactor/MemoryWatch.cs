using Riser.Actors.Backends;
using Riser.Actors.Interop;

namespace Riser.Actors.Reactor;

/// <summary>
/// Tells when memory of this process goes away: one userfaultfd and one thread that reads it, for the whole process.
/// Anonymous memory (transparent huge pages too), memfd and hugetlb. Thread-safe. What it cannot see: mprotect, truncating
/// the file behind the memory or punching holes in it, MADV_FREE.
/// <para>
/// A thread that unmaps watched memory sleeps in the kernel until the event is read here. UNMAP and REMAP are read after it
/// is done, REMOVE before the pages go. Memory that another thread unmapped, mapped anew and watched again meanwhile may be
/// told as unmapped once more: never too little is told.
/// </para>
/// </summary>
internal sealed class MemoryWatch
{
    private readonly UserFaultFile _file = UserFaultFile.Open();
    private readonly Lock _gate = new(); // the watchers and their parts; nobody unmaps while holding it
    private readonly RangeIndex<Watcher> _watchers = new();
    private readonly Passage _delivery = new();
    private readonly Thread _reader;

    private MemoryWatch()
    {
        _reader = new Thread(Read) { Name = "riser-memory-watch", IsBackground = true };
        _reader.Start();
    }

    private static Lazy<string?> Obstacle { get; } = new(UserFaultFile.FindObstacle);

    private static Lazy<MemoryWatch> Instance { get; } = new(() => new MemoryWatch());

    /// <summary>The one of this process.</summary>
    /// <exception cref="NativeException">It is not supported.</exception>
    public static MemoryWatch Shared => Instance.Value;

    /// <summary>Whether this kernel can; <paramref name="why"/> not, and what helps.</summary>
    public static bool IsSupported(out string? why) => (why = Obstacle.Value) is null;

    /// <summary>
    /// Calls <paramref name="onEvent"/> for what happens to any part of <paramref name="range"/>, on the reader's thread. It
    /// must not block, throw, unmap watched memory, or want a lock that is held by a thread that does. Watchers may overlap.
    /// </summary>
    /// <param name="range">Mapped, page aligned (huge pages: theirs), and mapped by this process for itself.</param>
    /// <param name="onEvent">Is not called any more once the result's Dispose has returned; until then an event may be under way.</param>
    /// <exception cref="NativeException">EINVAL: memory that cannot be watched; EBUSY: another userfaultfd has it; ENOMEM: not mapped.</exception>
    public Watcher Watch(HostRange range, Action<MemoryEvent> onEvent) => Watch(range, onEvent, static (call, what) => ((Action<MemoryEvent>)call)(what));

    /// <summary>The same with what <paramref name="onEvent"/> needs handed to it, so that a static one takes no memory.</summary>
    public Watcher Watch(HostRange range, object state, Action<object, MemoryEvent> onEvent)
    {
        var watcher = new Watcher(this, range, state, onEvent);
        lock (_gate)
        {
            bool isWatched = IsWatched(range);
            watcher.Place = _watchers.Add(watcher, range); // first: an event may come at once
            if (isWatched)
                return watcher;
            try
            {
                _file.Register(range.Address, range.Size);
            }
            catch
            {
                Forget(watcher); // the kernel may have taken a part
                throw;
            }
        }

        return watcher;
    }

    // Then the kernel need not be told again: what is told of the other is told of this one, too. Memory that is gone, and of which the reader
    // has not heard yet, is told as gone to both.
    private bool IsWatched(HostRange range)
    {
        foreach (var other in _watchers.On(range))
        {
            if (other.Memory.Covers(range))
                return true;
        }

        return false;
    }

    private void Stop(Watcher watcher)
    {
        lock (_gate)
            Forget(watcher);
        if (Thread.CurrentThread != _reader)
            _delivery.WaitUntilLeft();
    }

    private void Forget(Watcher watcher)
    {
        watcher.IsStopped = true;
        if (!_watchers.Remove(watcher.Place))
            return;
        foreach (var part in watcher.Memory.Parts)
            Unregister(part);
    }

    // What other watchers still want stays. What is gone or became something else is refused, and needs nothing.
    private void Unregister(HostRange range)
    {
        var unwanted = new WatchedMemory(range);
        foreach (var other in _watchers.On(range))
        {
            foreach (var part in other.Memory.Parts)
                unwanted.Remove(part);
        }

        foreach (var part in unwanted.Parts)
            _ = _file.Unregister(part.Address, part.Size);
    }

    private void Read()
    {
        var messages = new uffd_msg[16];
        var calls = new List<(Watcher Watcher, MemoryEvent Event)>();
        try
        {
            while (true)
            {
                int count = _file.Read(messages);
                _delivery.Enter();
                lock (_gate)
                {
                    foreach (ref var message in messages.AsSpan(0, count))
                        Take(Decode(message), calls);
                }

                foreach (var (watcher, what) in calls)
                    watcher.Tell(what);
                _delivery.Leave();
                calls.Clear();
            }
        }
#pragma warning disable CA1031 // whatever escaped: without a reader every thread that unmaps would hang
        catch (Exception escaped)
#pragma warning restore CA1031
        {
            Environment.FailFast($"{_reader.Name}: {escaped.GetType()} escaped: {escaped.Message} Watchers must not throw; memory cannot be watched any more.", escaped);
        }
    }

    private void Take(MemoryEvent what, List<(Watcher Watcher, MemoryEvent Event)> calls)
    {
        foreach (var watcher in _watchers.On(what.Range))
        {
            foreach (var part in watcher.Memory.Within(what.Range))
                calls.Add((watcher, new(what.Kind, part, what.Kind == MemoryEventKind.Moved ? what.NewAddress + (part.Address - what.Range.Address) : 0)));
            if (what.Kind != MemoryEventKind.Dropped)
                watcher.Memory.Remove(what.Range);
        }

        if (what.Kind == MemoryEventKind.Moved)
            Unregister(new(what.NewAddress, what.Range.Size)); // the registration moved too
    }

    private static MemoryEvent Decode(uffd_msg message) => message.@event switch
    {
        LibC.UFFD_EVENT_UNMAP => new(MemoryEventKind.Unmapped, new(message.remove_start, message.remove_end - message.remove_start), 0),
        LibC.UFFD_EVENT_REMOVE => new(MemoryEventKind.Dropped, new(message.remove_start, message.remove_end - message.remove_start), 0),
        LibC.UFFD_EVENT_REMAP => new(MemoryEventKind.Moved, new(message.remap_from, message.remap_len), message.remap_to),
        var other => throw new InvalidOperationException($"userfaultfd sent event 0x{other:x}, which nobody asked for."),
    };

    /// <summary>Watches until it is disposed.</summary>
    internal sealed class Watcher : IDisposable
    {
        private readonly MemoryWatch _owner;
        private readonly object _state;
        private readonly Action<object, MemoryEvent> _onEvent;
        private volatile bool _stopped;

        internal Watcher(MemoryWatch owner, HostRange range, object state, Action<object, MemoryEvent> onEvent) =>
            (_owner, Memory, _state, _onEvent) = (owner, new(range), state, onEvent);

        internal WatchedMemory Memory { get; }

        /// <summary>In the index; under its lock.</summary>
        internal RangeIndex<Watcher>.Place Place { get; set; }

        internal bool IsStopped
        {
            get => _stopped;
            set => _stopped = value;
        }

        /// <summary>Whether all of <paramref name="range"/> is what it was when watching began: what goes away is told once, and not watched any more.</summary>
        public bool Covers(HostRange range)
        {
            lock (_owner._gate)
                return Memory.Covers(range);
        }

        internal void Tell(MemoryEvent what)
        {
            if (!_stopped)
                _onEvent(_state, what);
        }

        /// <inheritdoc/>
        public void Dispose() => _owner.Stop(this);
    }
}
