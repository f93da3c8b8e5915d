using Akka.Actor;
using Akka.Actor.Internal;

namespace Akka.TestKit;

/// <summary>Supervises each child of a test actor by the strategy that the test gave with it.</summary>
internal sealed class ChildStrategy : OneForOneStrategy
{
    private readonly Dictionary<IActorRef, SupervisorStrategy> _strategies;

    public ChildStrategy() : this([]) { }

    private ChildStrategy(Dictionary<IActorRef, SupervisorStrategy> strategies)
        : base(cause => DefaultDecider.Decide(cause)) => _strategies = strategies;

    public IActorRef Start(IActorContext context, TestActor.Spawn spawn)
    {
        var child = context.ActorOf(spawn.Props, spawn.Name);
        if (spawn.Strategy is { } strategy)
            _strategies[child] = strategy;
        return child;
    }

    protected override Directive Handle(IActorRef child, Exception exception) =>
        _strategies.TryGetValue(child, out var strategy) ? strategy.Decider.Decide(exception) : base.Handle(child, exception);

    public override void ProcessFailure(
        IActorContext context, bool restart, IActorRef child, Exception cause, ChildRestartStats stats, IReadOnlyCollection<ChildRestartStats> children)
    {
        if (_strategies.TryGetValue(child, out var strategy))
            strategy.ProcessFailure(context, restart, child, cause, stats, children);
        else
            base.ProcessFailure(context, restart, child, cause, stats, children);
    }
}
