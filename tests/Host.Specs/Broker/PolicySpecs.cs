using Riser.Actors.Backends;
using Riser.Host.Broker;
using static Riser.Host.Specs.Broker.BrokerExample;

namespace Riser.Host.Specs.Broker;

public sealed class PolicySpecs
{
    private static readonly Policy s_policy = new(
        Rule("administrators", Act.Open | Act.TakeBack | Act.Bind, users: [0], devices: "*"),
        [
            Rule("capture", Act.Open, users: [1000], devices: ["0000:01:00.0", "uio:1234:11e9"]),
            Rule("packets", Act.Open | Act.TakeBack, groups: [50], devices: "vfio:0000:02:00.0"),
        ]);

    [Fact]
    public void A_rule_allows_its_user_what_it_names()
    {
        Assert.Equal("capture", s_policy.Judge(Alice, Act.Open, Vfio(Function("0000:01:00.0"))).Name);
        Assert.Equal("packets", s_policy.Judge(Alice, Act.TakeBack, Vfio(Function("0000:02:00.0"))).Name);
        Assert.Equal("administrators", s_policy.Judge(Root, Act.Bind, Vfio(Function("0000:09:00.0"))).Name);
    }

    [Theory]
    [InlineData("0000:03:00.0", Act.Open, "vfio")]
    [InlineData("0000:01:00.0", Act.TakeBack, "vfio")]
    [InlineData("0000:01:00.0", Act.Bind, "vfio")]
    [InlineData("0000:02:00.0", Act.Open, "uio")]
    internal void What_no_rule_names_is_refused_with_the_fix(string address, Act act, string backend)
    {
        var target = backend == "vfio" ? Vfio(Function(address)) : Uio(address);

        var refused = Assert.Throws<PciException>(() => s_policy.Judge(Alice, act, target));

        Assert.Equal(Errno.EACCES, refused.Errno);
        Assert.Contains("user 1000", refused.Why, StringComparison.Ordinal);
        Assert.Contains("broker.rules", refused.Fix, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stranger_gets_nothing() =>
        Assert.Throws<PciException>(() => s_policy.Judge(Bob, Act.Open, Vfio(Function("0000:01:00.0"))));

    [Fact]
    public void A_group_is_given_whole_or_not_at_all()
    {
        var refused = Assert.Throws<PciException>(() => s_policy.Judge(Alice, Act.Open, Vfio(Function("0000:01:00.0"), Function("0000:01:00.1"))));

        Assert.Contains("together with its IOMMU group", refused.Why, StringComparison.Ordinal);
        Assert.Contains("0000:01:00.1", refused.Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("*", true)]
    [InlineData("vfio:*", true)]
    [InlineData("uio:*", false)]
    [InlineData("1234:11e8", true)]
    [InlineData("1234:11e9", false)]
    [InlineData("vfio:1234:11e8", true)]
    [InlineData("0000:01:00.0", true)]
    [InlineData("0000:01:00.1", false)]
    [InlineData("uio:0000:01:00.0", false)]
    public void A_pattern_matches_what_it_says(string text, bool matches) =>
        Assert.Equal(matches, DevicePattern.Parse(text)!.Matches("vfio", Function("0000:01:00.0")));

    [Theory]
    [InlineData("")]
    [InlineData("sim:pony0")]
    [InlineData("../../etc")]
    [InlineData("12345:11e8")]
    [InlineData("vfio:")]
    [InlineData("0000:01:00.8")]
    public void A_pattern_that_says_nothing_is_none(string text) => Assert.Null(DevicePattern.Parse(text));
}
