using Akka.Configuration;
using Akka.Configuration.Hocon;
using Mono.Unix.Native;
using Riser.Actors;
using Riser.Host.Service;

namespace Riser.Host.Broker;

/// <summary>What <c>riser broker</c> is configured by: broker.conf, read once and checked. Its keys and their defaults are explained there.</summary>
internal sealed record BrokerConfig(
    string Socket,
    UnixFileMode SocketMode,
    string Bindings,
    Policy Policy,
    IReadOnlyList<string> Drivers,
    ConnectionLimits Connections,
    string Sysfs,
    string Proc,
    string VfioNodes,
    string UioNodes,
    string Dev)
{
    private static readonly HashSet<string> s_free = new(StringComparer.Ordinal) { "broker.rules" };

    /// <summary>broker.conf as it is embedded: every key and its default.</summary>
    public static Config Default { get; } = HostConfig.Embedded("broker.conf");

    /// <exception cref="ConfigurationException">A key is unknown, or a value makes no sense; the message names it and what it should be.</exception>
    public static BrokerConfig Read(Config own)
    {
        var all = own.WithFallback(Default);
        ConfigReader.RefuseUnknownKeys(all.GetConfig("broker").Root.GetObject(), Default.GetConfig("broker").Root.GetObject(), "broker", s_free);
        var section = all.GetConfig("broker");
        return new(
            section.Text("broker", "socket"),
            Mode(section, "socket-mode"),
            section.Text("broker", "bindings"),
            ReadPolicy(section),
            [.. section.GetStringList("bind.drivers")],
            new(section.Count("broker", "connections.most", 1, 100_000), section.Count("broker", "connections.most-per-user", 1, 10_000), section.Interval("broker", "connections.idle-timeout")),
            section.Text("broker", "sysfs"),
            section.Text("broker", "proc"),
            section.Text("broker", "nodes.vfio"),
            section.Text("broker", "nodes.uio"),
            section.Text("broker", "nodes.dev"));
    }

    private static Policy ReadPolicy(Config section)
    {
        var defaults = section.GetConfig("rule");
        List<PolicyRule> rules = [];
        foreach (var (name, value) in section.GetValue("rules").GetObject().Items.OrderBy(i => i.Key, StringComparer.Ordinal))
        {
            string path = $"broker.rules.{name}";
            ConfigReader.RefuseUnknownKeys(value.GetObject(), defaults.Root.GetObject(), path, new HashSet<string>(StringComparer.Ordinal));
            var own = section.GetConfig($"rules.\"{name}\"") ?? section.GetConfig($"rules.{name}");
            rules.Add(ReadRule(name, path, own.WithFallback(defaults)));
        }
        var all = ReadRule("administrators", "broker.rule", defaults) with
        {
            Users = Users(section, "broker", "administrators.users"),
            Groups = Groups(section, "broker", "administrators.groups"),
            Devices = [new(Backend: null, Address: null, Id: null)],
            May = Act.Open | Act.TakeBack | Act.Bind,
        };
        return new(all, rules);
    }

    private static PolicyRule ReadRule(string name, string path, Config rule) => new(
        name,
        Users(rule, path, "users"),
        Groups(rule, path, "groups"),
        [.. rule.GetStringList("devices").Select(text => DevicePattern.Parse(text) ?? throw Wrong(path, "devices", text, "an address (0000:01:00.0), a vendor and device id (8086:10c9) or *, with vfio: or uio: before it"))],
        rule.GetStringList("may").Aggregate(Act.None, (acts, text) => acts | text switch
        {
            "open" => Act.Open,
            "take-back" => Act.TakeBack,
            "bind" => Act.Bind,
            _ => throw Wrong(path, "may", text, "open, take-back or bind"),
        }),
        Within(rule, path, "lease", TimeSpan.FromSeconds(1), "from 1s to 20 days"),
        Within(rule, path, "take-back.within", TimeSpan.Zero, "from 0s to 20 days"),
        rule.GetString("take-back.then") switch
        {
            "kill" => Stubborn.Kill,
            "report" => Stubborn.Report,
            var text => throw Wrong(path, "take-back.then", text, "kill or report"),
        });

    private static HashSet<uint> Users(Config config, string path, string key) =>
        [.. config.GetStringList(key).Select(text => uint.TryParse(text, out uint number) ? number : Syscall.getpwnam(text)?.pw_uid ?? throw Wrong(path, key, text, "a user of this machine, by name or number"))];

    private static HashSet<uint> Groups(Config config, string path, string key) =>
        [.. config.GetStringList(key).Select(text => uint.TryParse(text, out uint number) ? number : Syscall.getgrnam(text)?.gr_gid ?? throw Wrong(path, key, text, "a group of this machine, by name or number"))];

    // What is longer does not fit into what holders are told, in milliseconds.
    private static TimeSpan Within(Config config, string path, string key, TimeSpan least, string expected) => config.Time(path, key) is var time && time >= least && time <= TimeSpan.FromDays(20)
        ? time
        : throw Wrong(path, key, config.GetString(key), expected);

    private static UnixFileMode Mode(Config section, string key)
    {
        string text = section.GetString(key);
        return text.Length is 3 or 4 && text.All(c => c is >= '0' and <= '7') && Convert.ToInt32(text, 8) is var mode and <= 0x1ff
            ? (UnixFileMode)mode
            : throw Wrong("broker", key, text, "permissions in octal, e.g. \"0660\"");
    }

    private static ConfigurationException Wrong(string path, string key, string value, string expected) =>
        new($"{path}.{key} has '{value}'; it must be {expected}.");
}
