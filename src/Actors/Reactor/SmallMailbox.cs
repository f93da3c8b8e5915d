using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Dispatch.MessageQueues;

namespace Riser.Actors.Reactor;

/// <summary>
/// <c>mailbox-type = "Riser.Actors.Reactor.SmallMailbox, Riser.Actors"</c>: an unbounded mailbox for actors of which there are very many and
/// which mostly have nothing to do. Empty it takes some 200 bytes; Akka.NET's own takes 1.2 KB, for being filled by many threads at once.
/// </summary>
internal sealed class SmallMailbox(Settings settings, Config config) : MailboxType(settings, config), IProducesMessageQueue<SmallMailbox.Queue>
{
    /// <summary>The name of its section.</summary>
    public const string Section = "riser.small-mailbox";

    public override IMessageQueue Create(IActorRef owner, ActorSystem system) => new Queue();

    /// <summary>A ring of messages that grows with them, and is let go after a flood. Thread-safe.</summary>
    internal sealed class Queue : IMessageQueue, IUnboundedMessageQueueSemantics
    {
        private const int Least = 4;
        private const int Kept = 64; // a longer ring is let go once it is empty

        private readonly Lock _gate = new();
        private Envelope[] _ring = [];
        private int _head;
        private int _count;

        public bool HasMessages => Volatile.Read(ref _count) > 0;

        public int Count => Volatile.Read(ref _count);

        public void Enqueue(IActorRef receiver, Envelope envelope)
        {
            lock (_gate)
            {
                if (_count == _ring.Length)
                    Grow();
                _ring[(_head + _count) & (_ring.Length - 1)] = envelope;
                _count++;
            }
        }

        public bool TryDequeue(out Envelope envelope)
        {
            lock (_gate)
            {
                if (_count == 0)
                {
                    envelope = default;
                    return false;
                }

                envelope = _ring[_head];
                _ring[_head] = default;
                _head = (_head + 1) & (_ring.Length - 1);
                if (--_count == 0 && _ring.Length > Kept)
                    (_ring, _head) = ([], 0);
                return true;
            }
        }

        public void CleanUp(IActorRef owner, IMessageQueue deadletters)
        {
            while (TryDequeue(out var envelope))
                deadletters.Enqueue(owner, envelope);
        }

        private void Grow()
        {
            var larger = new Envelope[Math.Max(Least, 2 * _ring.Length)];
            for (int i = 0; i < _count; i++)
                larger[i] = _ring[(_head + i) & (_ring.Length - 1)];
            (_ring, _head) = (larger, 0);
        }
    }
}
