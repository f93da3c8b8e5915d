using Riser.Host.Broker;

namespace Riser.Host.Specs.Broker;

public sealed class ConnectionLimitsSpecs
{
    private static readonly ConnectionLimits s_limits = new(Most: 3, MostPerUser: 2, TimeSpan.FromSeconds(1));

    [Theory]
    [InlineData(1000, new uint[] { }, null)]
    [InlineData(1000, new uint[] { 1000, 1001 }, null)]
    [InlineData(1000, new uint[] { 1000, 1000 }, "most-per-user")]
    [InlineData(1003, new uint[] { 1000, 1001, 1002 }, "connections.most is")]
    [InlineData(1003, new uint[] { 1000, 1001, 0, 0 }, null)] // root's are not counted
    [InlineData(0, new uint[] { 1000, 1001, 1002 }, null)] // root can always ask
    [InlineData(0, new uint[] { 0, 0 }, "most-per-user")]
    public void A_user_gets_a_connection_while_there_are_not_too_many(uint user, uint[] present, string? limit)
    {
        var refusal = s_limits.Refusal(user, present);

        Assert.Equal(limit is null, refusal is null);
        if (limit is not null)
            Assert.Contains(limit, refusal!.Fix, StringComparison.Ordinal);
    }
}
