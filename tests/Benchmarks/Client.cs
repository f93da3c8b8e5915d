using System.Diagnostics;
using System.Threading.Channels;
using Akka.Actor;

namespace Riser.Benchmarks;

/// <summary>Talks to actors from outside, and notes when an answer reached its mailbox's actor.</summary>
internal sealed class Client
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly Channel<(object Message, long At)> _received = Channel.CreateUnbounded<(object, long)>();

    public Client(ActorSystem system) => Ref = system.ActorOf(Props.Create(() => new Receiver(_received.Writer)));

    /// <summary>Who asks.</summary>
    public IActorRef Ref { get; }

    public void Tell(IActorRef to, object command) => to.Tell(command, Ref);

    public async Task<T> AskAsync<T>(IActorRef to, object command)
    {
        Tell(to, command);
        return (await ReceiveAsync<T>()).Message;
    }

    /// <summary>The next message of this type; those before it are dropped, but a refusal ends the suite.</summary>
    /// <returns>The message, and when it was received in ticks of <see cref="Stopwatch"/>.</returns>
    public async Task<(T Message, long At)> ReceiveAsync<T>()
    {
        using var patience = new CancellationTokenSource(s_patience);
        try
        {
            while (true)
            {
                var (message, at) = await _received.Reader.ReadAsync(patience.Token);
                if (message is T wanted)
                    return (wanted, at);
                if (message is Actors.Refused refused)
                    throw new RefusalException($"{refused.Command} was refused: {refused.Errno}: {refused.Why}. {refused.Fix}");
            }
        }
        catch (OperationCanceledException)
        {
            throw new RefusalException($"No {typeof(T).Name} came within {s_patience.TotalSeconds} s.");
        }
    }

    private sealed class Receiver(ChannelWriter<(object, long)> received) : UntypedActor
    {
        protected override void OnReceive(object message) => received.TryWrite((message, Stopwatch.GetTimestamp()));
    }
}
