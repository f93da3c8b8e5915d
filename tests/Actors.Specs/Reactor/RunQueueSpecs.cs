using Akka.Dispatch;
using FsCheck.Xunit;
using Riser.Actors.Reactor;

namespace Riser.Actors.Specs.Reactor;

public sealed class RunQueueSpecs
{
    [Property]
    public bool Queue_behaves_like_a_queue_when_it_grows_and_wraps(byte[] steps)
    {
        var queue = new RunQueue();
        var model = new Queue<IRunnable>();

        foreach (byte step in steps)
        {
            for (int i = 0; i < step; i++)
            {
                var work = new ActionRunnable(() => { });
                queue.Enqueue(work);
                model.Enqueue(work);
            }

            for (int i = 0; i < step / 2; i++)
            {
                if (queue.Dequeue() != model.Dequeue())
                    return false;
            }
        }

        return queue.Count == model.Count && model.All(work => work == queue.Dequeue());
    }

    [Fact]
    public void Queue_refuses_to_take_from_nothing() => Assert.Throws<InvalidOperationException>(() => new RunQueue().Dequeue());
}
