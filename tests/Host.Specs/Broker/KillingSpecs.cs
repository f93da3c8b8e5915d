using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Mono.Unix.Native;
using Riser.Actors.Backends;
using Riser.Actors.Interop;
using Riser.Host.Broker;
using static Riser.Host.Specs.Broker.BrokerExample;

namespace Riser.Host.Specs.Broker;

/// <summary>Who has a node open, and who is ended for it: real processes, real descriptors.</summary>
public sealed class KillingSpecs : IDisposable
{
    private const int Other = 65534;

    private static readonly uint s_user = Syscall.geteuid();

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("riser-killing-");
    private readonly List<Process> _started = [];
    private readonly Processes _processes = new("/proc");
    private readonly Target _target;

    public KillingSpecs()
    {
        string node = Path.Combine(_folder.FullName, "7");
        File.WriteAllText(node, "");
        File.SetUnixFileMode(_folder.FullName, (UnixFileMode)0x1ed); // others may open it
        _target = new(DeviceId.Parse("vfio:0000:01:00.0"), node, [Function("0000:01:00.0")]);
    }

    public void Dispose()
    {
        foreach (var process in _started)
        {
            process.Kill();
            process.Dispose();
        }
        _folder.Delete(recursive: true);
    }

    [Fact]
    public void Whoever_has_the_node_open_is_found_and_ended()
    {
        var holder = Start(_target.Node);
        var bystander = Start("/dev/null");
        Assert.Equal([holder.Id], _processes.With(_target.Node));

        Kill(holder: null, s_user);

        holder.WaitForExit();
        Assert.Equal(128 + LibC.SIGKILL, holder.ExitCode);
        Assert.False(bystander.HasExited);
    }

    [Fact]
    public void The_process_that_has_the_lease_is_ended_whatever_it_has_open()
    {
        var holder = Start("/dev/null");
        using var handle = ProcessHandle.Open(holder.Id);

        Kill(handle, s_user);

        holder.WaitForExit();
        Assert.Equal(128 + LibC.SIGKILL, holder.ExitCode);
    }

    [Fact]
    public void A_process_of_another_user_than_the_leases_lives_on()
    {
        var sent = Start(_target.Node);
        using var handle = ProcessHandle.Open(sent.Id); // as if its number had been the holder's

        Kill(handle, s_user + 1);

        Assert.False(sent.HasExited);
        Assert.Equal([sent.Id], _processes.With(_target.Node)); // and is named
    }

    [SkippableFact]
    public void A_process_that_somebody_sent_the_descriptor_to_lives_on()
    {
        Skip.If(s_user != 0, "Only root can start a process of another user.");
        Skip.IfNot(File.Exists("/usr/bin/setpriv"), "setpriv (util-linux) is not here.");
        var daemon = Start(_target.Node);
        var own = Start(_target.Node, "setpriv", $"--reuid={Other}", "--clear-groups");

        Kill(holder: null, Other);

        own.WaitForExit();
        Assert.False(daemon.HasExited);
    }

    [Fact]
    public void A_process_that_has_ended_has_no_number()
    {
        var process = Start("/dev/null");
        using var handle = ProcessHandle.Open(process.Id);
        Assert.Equal(process.Id, handle!.Id);

        process.Kill();
        process.WaitForExit();

        Assert.Null(handle.Id);
        Kill(handle, s_user);
    }

    [Fact]
    public void A_peer_whom_the_kernel_does_not_know_is_not_looked_for_by_number()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(listener.LocalEndPoint!); // has no process at its other end, as one whose peer was reaped

        Assert.Null(ProcessHandle.OfPeer(socket, Environment.ProcessId));
    }

    [SkippableFact]
    public void A_file_that_is_only_called_like_the_node_is_not_the_node()
    {
        Skip.If(s_user != 0, "Only root can mount.");
        string shadow = Directory.CreateDirectory(Path.Combine(_folder.FullName, "dev")).FullName;
        string node = Path.Combine(shadow, "7");
        File.WriteAllText(node, "");
        var liar = Start(node, "unshare", "-m", "sh", "-c", $"mount -t tmpfs none {shadow} && : > {node} && exec \"$@\"", "sh");

        string link = string.Create(CultureInfo.InvariantCulture, $"/proc/{liar.Id}/fd/0");
        Assert.Equal(node, new FileInfo(link).LinkTarget); // as the kernel shows it
        Assert.False(_processes.Has(liar.Id, node));
        Assert.Empty(_processes.With(node));
    }

    [Fact]
    public void A_device_is_the_same_under_any_node_and_no_file_is_it()
    {
        Assert.Equal(FileIdentity.Of("/dev/null"), FileIdentity.Of("/proc/self/root/dev/null"));
        Assert.NotEqual(FileIdentity.Of("/dev/null"), FileIdentity.Of("/dev/zero"));
        Assert.NotEqual(FileIdentity.Of("/dev/null"), FileIdentity.Of(_target.Node));
        Assert.Null(FileIdentity.Of("/no/such"));
    }

    [Fact]
    public void A_node_that_does_not_open_is_free_only_when_it_is_gone()
    {
        Assert.Null(DeviceNodes.Obstacle(_target));
        Assert.Null(DeviceNodes.Obstacle(_target with { Node = "/no/such" }));
        Assert.Equal(Errno.EISDIR, DeviceNodes.Obstacle(_target with { Node = _folder.FullName })); // like EMFILE: it says nothing of who has it
    }

    private void Kill(ProcessHandle? holder, uint user) => new Killing(_processes, NullLogger.Instance).Of(_target, holder, user);

    // A process that has a file open as its input, and has begun.
    private Process Start(string input, params string[] through)
    {
        string[] all = [.. through, "sh", "-c", "exec < \"$0\"; echo; exec sleep 1000", input];
        var start = new ProcessStartInfo(all[0]) { UseShellExecute = false, RedirectStandardOutput = true };
        foreach (string argument in all[1..])
            start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        _started.Add(process);
        Assert.Equal(string.Empty, process.StandardOutput.ReadLine());
        return process;
    }
}
