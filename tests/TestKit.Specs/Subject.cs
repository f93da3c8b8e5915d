using Akka.Event;

namespace Riser.TestKits.Specs;

/// <summary>Answers, throws, or logs what it is told to.</summary>
internal sealed class Subject : UntypedActor
{
    public static Props Props() => Akka.Actor.Props.Create(() => new Subject());

    public int Received { get; private set; }

    protected override void OnReceive(object message)
    {
        Received++;
        var log = Context.GetLogger();
        switch (message)
        {
            case "throw": throw new InvalidOperationException("bang");
            case "warn": log.Warning("careful {0}", 1); break;
            case "info": log.Info("hello"); break;
            case "debug": log.Debug("detail"); break;
            case "error": log.Error("bad thing"); break;
            case "cause": log.Error(new ArgumentNullException("what"), "with cause"); break;
            case "nested": log.Error(new InvalidOperationException("outer", new ArgumentException("inner")), "nested"); break;
            case "stop": Context.Stop(Self); break;
            case int: Unhandled(message); break;
            default: Sender.Tell(message); break;
        }
    }
}
