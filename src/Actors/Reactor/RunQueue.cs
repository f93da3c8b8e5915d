using Akka.Dispatch;

namespace Riser.Actors.Reactor;

/// <summary>First in, first out, for one thread; allocates only when it has never been so long.</summary>
internal sealed class RunQueue
{
    private IRunnable?[] _ring = new IRunnable?[256]; // a power of two
    private int _head; // the oldest
    private int _count;

    public int Count => _count;

    public void Enqueue(IRunnable work)
    {
        if (_count == _ring.Length)
            Grow();
        _ring[(_head + _count) & (_ring.Length - 1)] = work;
        _count++;
    }

    /// <exception cref="InvalidOperationException">The queue is empty.</exception>
    public IRunnable Dequeue()
    {
        if (_count == 0)
            throw new InvalidOperationException("The queue is empty.");
        ref var slot = ref _ring[_head];
        var work = slot!;
        slot = null;
        _head = (_head + 1) & (_ring.Length - 1);
        _count--;
        return work;
    }

    private void Grow()
    {
        var longer = new IRunnable?[_ring.Length * 2];
        Array.Copy(_ring, _head, longer, 0, _ring.Length - _head);
        Array.Copy(_ring, 0, longer, _ring.Length - _head, _head);
        (_ring, _head) = (longer, 0);
    }
}
