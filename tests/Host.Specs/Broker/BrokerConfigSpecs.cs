using Akka.Configuration;
using Riser.Host.Broker;

namespace Riser.Host.Specs.Broker;

/// <summary>broker.conf: every default, and what is refused.</summary>
public sealed class BrokerConfigSpecs
{
    [Fact]
    public void Every_default_is_read()
    {
        var config = Read("broker.rules.any { users = [1000], devices = [\"*\"] }");

        Assert.Equal("/run/riser/broker.sock", config.Socket);
        Assert.Equal("666", Convert.ToString((int)config.SocketMode, 8));
        Assert.Equal("/run/riser/bindings.json", config.Bindings);
        Assert.Equal(["vfio-pci", "uio_pci_user"], config.Drivers);
        Assert.Equal(new ConnectionLimits(1024, 64, TimeSpan.FromSeconds(30)), config.Connections);
        Assert.Equal(("/sys", "/proc", "/dev/vfio", "/dev/uio_pci_user", "/dev"), (config.Sysfs, config.Proc, config.VfioNodes, config.UioNodes, config.Dev));
        Assert.Equal([0u], config.Policy.Administrators.Users);
        Assert.Empty(config.Policy.Administrators.Groups);
        Assert.Equal(Act.Open | Act.TakeBack | Act.Bind, config.Policy.Administrators.May);
        var rule = Assert.Single(config.Policy.Rules);
        Assert.Equal(("any", Act.Open, TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(5), Stubborn.Report), (rule.Name, rule.May, rule.Lease, rule.TakeBackWithin, rule.Then));
    }

    [Fact]
    public void Nobody_but_root_gets_anything_by_default()
    {
        var config = BrokerConfig.Read(Config.Empty);

        Assert.Empty(config.Policy.Rules);
        Assert.True(config.Policy.IsAdministrator(BrokerExample.Root));
        Assert.False(config.Policy.IsAdministrator(BrokerExample.Alice));
        var defaults = BrokerConfig.Default.GetConfig("broker.rule");
        Assert.All<string>(["users", "groups", "devices"], key => Assert.Empty(defaults.GetStringList(key)));
    }

    [Fact]
    public void A_rule_is_read_by_name_and_number()
    {
        var rule = Assert.Single(Read("""
            broker.rules {
              capture { users = [root, 1000], groups = [daemon, 77], devices = ["0000:01:00.0", "uio:8086:10c9"], may = [open, take-back, bind], lease = 2s, take-back { within = 1s, then = kill } }
            }
            """).Policy.Rules);

        Assert.Equal([0u, 1000u], rule.Users.Order());
        Assert.Equal([1u, 77u], rule.Groups.Order());
        Assert.Equal([new DevicePattern(null, "0000:01:00.0", null), new DevicePattern("uio", null, (0x8086, 0x10c9))], rule.Devices);
        Assert.Equal((Act.Open | Act.TakeBack | Act.Bind, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(1), Stubborn.Kill), (rule.May, rule.Lease, rule.TakeBackWithin, rule.Then));
    }

    [Fact]
    public void The_policy_in_the_guide_makes_sense()
    {
        string guide = File.ReadAllText(Path.Combine(Root, "docs", "operations.md"));
        string policy = guide.Split("```hocon")[1].Split("```")[0].Replace("[packets]", "[daemon]", StringComparison.Ordinal).Replace("alice", "root", StringComparison.Ordinal);

        Assert.Equal(["lab", "packets"], Read(policy).Policy.Rules.Select(r => r.Name));
    }

    [Theory]
    [InlineData("broker.scoket = x", "'broker.scoket' is not a key", "socket")]
    [InlineData("broker.rules.a.device = [x]", "'broker.rules.a.device' is not a key", "devices")]
    [InlineData("broker.rules.a = 5", "'broker.rules.a' is not a key", "A name of your own is a section")]
    [InlineData("broker.rules.a.users = [no-such-user-here]", "no-such-user-here", "a user of this machine")]
    [InlineData("broker.rules.a.groups = [no-such-group-here]", "no-such-group-here", "a group of this machine")]
    [InlineData("broker.administrators.users = [no-such-user-here]", "broker.administrators.users", "a user of this machine")]
    [InlineData("broker.rules.a.devices = [eth0]", "'eth0'", "0000:01:00.0")]
    [InlineData("broker.rules.a.may = [everything]", "'everything'", "open, take-back or bind")]
    [InlineData("broker.rules.a.lease = 1ms", "broker.rules.a.lease", "from 1s to 20 days")]
    [InlineData("broker.rules.a.lease = 50d", "broker.rules.a.lease", "from 1s to 20 days")]
    [InlineData("broker.rules.a.take-back.within = 50d", "broker.rules.a.take-back.within", "from 0s to 20 days")]
    [InlineData("broker.rules.a.take-back.then = wait", "'wait'", "kill or report")]
    [InlineData("broker.socket-mode = rw", "'rw'", "octal")]
    [InlineData("broker.connections.most-per-user = 0", "broker.connections.most-per-user", "from 1")]
    [InlineData("broker.connections.most = 0", "broker.connections.most", "from 1")]
    [InlineData("broker.connections.idle-timeout = 0s", "idle-timeout", "more than 0")]
    [InlineData("broker.connections.idle-timeout = 50d", "idle-timeout", "at most 24 days")]
    [InlineData("broker.connections.idle-timeout = soon", "idle-timeout", "a duration")]
    public void What_makes_no_sense_is_refused(string text, string names, string fix)
    {
        var refused = Assert.Throws<ConfigurationException>(() => Read(text));

        Assert.Contains(names, refused.Message, StringComparison.Ordinal);
        Assert.Contains(fix, refused.Message, StringComparison.Ordinal);
    }

    private static string Root
    {
        get
        {
            string? folder = AppContext.BaseDirectory;
            while (folder is not null && !File.Exists(Path.Combine(folder, "Actors.sln")))
                folder = Path.GetDirectoryName(folder);
            return folder ?? throw new InvalidOperationException("These specs run inside the checkout.");
        }
    }

    private static BrokerConfig Read(string text) => BrokerConfig.Read(ConfigurationFactory.ParseString(text));
}
