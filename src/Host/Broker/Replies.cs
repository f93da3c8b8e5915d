using Riser.Actors.Backends;
using Riser.Actors.Backends.Broker.Messages;

namespace Riser.Host.Broker;

/// <summary>Makes the broker's answers.</summary>
internal static class Replies
{
    public static Reply Granted(PolicyRule rule) => new() { Granted = new() { LeaseMilliseconds = Milliseconds(rule.Lease), Rule = rule.Name } };

    public static Reply Renewed(PolicyRule rule) => new() { Renewed = new() { LeaseMilliseconds = Milliseconds(rule.Lease) } };

    public static Reply Allowed(PolicyRule rule) => new() { Allowed = new() { Rule = rule.Name } };

    public static Reply Wanted(string why, TimeSpan within) => new() { Wanted = new() { Why = why, WithinMilliseconds = Milliseconds(within) } };

    public static Reply TakenBack(Target target, string how) => new() { TakenBack = new() { Device = target.ToString(), How = how } };

    public static Reply Bound(IEnumerable<string> done) => new() { Bound = new() { Done = { done } } };

    public static Reply Refused(Errno errno, string why, string fix) => new() { Refused = Refusal(errno, why, fix) };

    public static Reply Refused(PciException refusal) => Refused(refusal.Errno, refusal.Why, refusal.Fix);

    public static Refused Refusal(Errno errno, string why, string fix) => new() { Errno = (int)errno, Why = why, Fix = fix };

    public static Refused Refusal(PciException refusal) => Refusal(refusal.Errno, refusal.Why, refusal.Fix);

    public static Riser.Actors.Backends.Broker.Messages.Grant Grant(Grant grant, TimeSpan now) => new()
    {
        Device = grant.Target.ToString(),
        User = grant.Who.User,
        Process = grant.Who.Process,
        Rule = grant.Rule.Name,
        State = grant.Phase.GetType().Name.ToLowerInvariant(),
        LeaseMilliseconds = grant.Phase is Phase.Held held ? (int)Milliseconds(held.LeaseEnds - now) : 0,
    };

    private static uint Milliseconds(TimeSpan time) => (uint)Math.Clamp(time.TotalMilliseconds, 0, int.MaxValue);
}
