using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;

namespace Riser.Host.Broker;

/// <summary>Who may have what. Pure: the same question has the same answer for as long as the broker runs.</summary>
/// <param name="Administrators">May do everything; its lease and what follows are those of the default rule.</param>
/// <param name="Rules">In the order of their names.</param>
internal sealed record Policy(PolicyRule Administrators, IReadOnlyList<PolicyRule> Rules)
{
    /// <returns>The rule that allows it for the function that was asked for.</returns>
    /// <exception cref="PciException">EACCES: no rule does, for one of the functions that would be given with it.</exception>
    public PolicyRule Judge(PeerCredentials peer, Act act, Target target)
    {
        PolicyRule? allowing = null;
        foreach (var function in target.Functions)
        {
            var rule = Find(peer, act, target.Device.Backend, function) ?? throw Denied(peer, act, target, function);
            if (function.Address == target.Device.Address)
                allowing = rule;
        }
        return allowing ?? throw new PciException(Errno.EACCES, $"{target.Device} is nothing that can be given away", "Name a function that is no bridge.");
    }

    /// <summary>Whether a peer may do something with everything there is.</summary>
    public bool IsAdministrator(PeerCredentials peer) => Administrators.IsFor(peer);

    private PolicyRule? Find(PeerCredentials peer, Act act, string backend, PciFunction function) =>
        IsAdministrator(peer) ? Administrators : Rules.FirstOrDefault(r => r.IsFor(peer) && r.Allows(act, backend, function));

    private static PciException Denied(PeerCredentials peer, Act act, Target target, PciFunction function)
    {
        string what = act switch { Act.Open => "have", Act.TakeBack => "take back", Act.Bind => "bind", _ => throw new ArgumentOutOfRangeException(nameof(act)) };
        string why = function.Address == target.Device.Address
            ? $"No rule of the broker lets user {peer.User} {what} {target.Device}"
            : $"{target.Device} is given together with its IOMMU group, and no rule of the broker lets user {peer.User} {what} {function.Address} of that group";
        return new(Errno.EACCES, why, $"Ask the administrator for a rule (broker.rules) that names {function.Address} or {function.VendorId:x4}:{function.ProductId:x4} and this user.");
    }
}
