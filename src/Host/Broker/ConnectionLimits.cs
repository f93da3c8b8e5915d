using Riser.Actors.Backends;

namespace Riser.Host.Broker;

/// <summary>How many connections there may be, and how long one may be silent that holds nothing.</summary>
internal sealed record ConnectionLimits(int Most, int MostPerUser, TimeSpan IdleTimeout)
{
    private const uint Root = 0;

    /// <summary>Why a user gets no connection; null: he gets one.</summary>
    /// <param name="user">Who has come.</param>
    /// <param name="present">The user of each connection that there is.</param>
    public PciException? Refusal(uint user, IEnumerable<uint> present)
    {
        int his = 0, counted = 0;
        foreach (uint each in present)
        {
            his += each == user ? 1 : 0;
            counted += each == Root ? 0 : 1;
        }
        if (his >= MostPerUser)
            return new(Errno.EUSERS, $"User {user} has {MostPerUser} connections to the broker already", "Close some; broker.connections.most-per-user is the limit.");
        return user != Root && counted >= Most
            ? new(Errno.EUSERS, $"The broker has {Most} connections already", "Come back later; broker.connections.most is the limit.")
            : null;
    }
}
