using System.Globalization;
using System.Net.Sockets;
using Mono.Unix.Native;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Specs.Backends.Hardware;
using Riser.Host.Specs.Support;

namespace Riser.Host.Specs.Broker;

/// <summary>A broker in a process of its own, on a sysfs and nodes of its own: plain files, so that their descriptors are real. This user is its administrator.</summary>
internal sealed class BrokerMachine : IAsyncDisposable
{
    public const string Free = "0000:01:00.0", Other = "0000:02:00.0", Pair = "0000:03:00.0", Uio = "0000:05:00.0";

    private readonly FakeSysfs _sysfs = new();
    private readonly TemporaryFile _config;
    private RiserProcess? _process;

    public BrokerMachine(string more = "")
    {
        _sysfs.Add(Free, group: "1").Add(Other, group: "2").Add(Pair, group: "3").Add("0000:03:00.1", group: "3").Add("0000:04:00.0", driver: "e1000e", group: "4").Add(Uio, driver: "uio_pci_user", group: "5");
        foreach (string group in (string[])["1", "2", "3", "vfio"])
            File.WriteAllText(Node(group), group);
        File.SetUnixFileMode(_sysfs.Root, (UnixFileMode)0x1ed); // others may reach the socket
        _config = new($$"""
            broker {
              socket = "{{Socket}}"
              bindings = "{{BindingsPath}}"
              administrators.users = [{{Syscall.geteuid()}}]
              sysfs = "{{_sysfs.Root}}"
              nodes { vfio = "{{_sysfs.Nodes}}", uio = "{{_sysfs.Nodes}}" }
              {{more}}
            }
            """);
    }

    public string Socket => Path.Combine(_sysfs.Root, "broker.sock");

    public string BindingsPath => Path.Combine(_sysfs.Root, "bindings.json");

    public string ConfigPath => _config.Path;

    public BrokerSettings Settings => new(Socket, TimeSpan.FromSeconds(60));

    public RiserProcess Process => _process ?? throw new InvalidOperationException("not started");

    public static async Task<BrokerMachine> StartAsync(string more = "")
    {
        var machine = new BrokerMachine(more);
        await machine.StartProcessAsync();
        return machine;
    }

    public async Task StartProcessAsync()
    {
        _process = RiserProcess.Start("broker", "--config", _config.Path);
        await _process.SaidAsync(line => line.Contains("Listening at", StringComparison.Ordinal));
    }

    public async Task KillProcessAsync()
    {
        Syscall.kill(Process.Id, Signum.SIGKILL);
        await Process.EndAsync();
    }

    public string Node(string name) => Path.Combine(_sysfs.Nodes, name);

    public static DeviceId Vfio(string address) => DeviceId.Parse($"vfio:{address}");

    public BrokerConnection Connect() => BrokerConnection.Open(Settings);

    public Socket ConnectRaw()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 60_000, SendTimeout = 60_000 };
        socket.Connect(new UnixDomainSocketEndPoint(Socket));
        return socket;
    }

    /// <summary>How many descriptors the broker's process has; asked when it has answered everything that was sent before.</summary>
    public int Descriptors() => Directory.EnumerateFileSystemEntries($"/proc/{Process.Id.ToString(CultureInfo.InvariantCulture)}/fd").Count();

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
            await _process.DisposeAsync();
        _config.Dispose();
        _sysfs.Dispose();
    }
}
