using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using Mono.Unix.Native;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Broker.Messages;
using Riser.Actors.Interop;

namespace Riser.Lab.Specs;

/// <summary>
/// A broker that root has started, where the runtime looks for it by itself. Its users differ in the rule that is theirs: how long a
/// lease is, how long they have to close what is wanted back, and what happens to them then. Where a spec is about a holder who does
/// as he is asked, his limits are long: an emulated machine on a busy one may take its time.
/// </summary>
public sealed class RunningBroker : IDisposable
{
    internal const int Trusted = 1000, Stranger = 1001, Reported = 1002, Halved = 1003, Killed = 1004, Leased = 1005;

    private readonly string _config = Path.Combine(Path.GetTempPath(), $"broker-{Guid.NewGuid():N}.conf");
    private readonly ConcurrentQueue<string> _log = [];
    private Process? _process;

    internal static BrokerSettings Settings { get; } = new("/run/riser/broker.sock", TimeSpan.FromMinutes(2));

    /// <summary>What it has said so far.</summary>
    public string Log => string.Join('\n', _log);

    /// <summary>Starts it if it does not run.</summary>
    public void Start()
    {
        string half = Lab.Address("SHARED_A"); // and skips where there is no lab
        if (_process is { HasExited: false })
            return;
        File.WriteAllText(_config, $$"""
            broker {
              rules.trusted { users = [{{Trusted}}], devices = ["*"], lease = 15s, take-back { within = 2m, then = kill } }
              rules.killed { users = [{{Killed}}], devices = ["*"], lease = 2m, take-back { within = 2s, then = kill } }
              rules.leased { users = [{{Leased}}], devices = ["*"], lease = 5s, take-back { within = 2s, then = kill } }
              rules.reported { users = [{{Reported}}], devices = ["*"], lease = 2m, take-back.within = 2s }
              rules.halved { users = [{{Halved}}], devices = ["{{half}}"], may = [open, take-back] }
            }
            """);
        _process = Process.Start(new ProcessStartInfo("dotnet", [RiserProgram.Path, "broker", "--config", _config]) { UseShellExecute = false, RedirectStandardError = true })!;
        _process.ErrorDataReceived += (_, line) => _log.Enqueue(line.Data ?? "(it has ended)");
        _process.BeginErrorReadLine();
        Assert.True(Lab.Until(() => _process.HasExited || Answers(), seconds: 300) && !_process.HasExited, Log);
    }

    /// <summary>Ends it and starts it again, as an update would.</summary>
    public void Restart()
    {
        Syscall.kill(_process!.Id, Signum.SIGTERM);
        _process.WaitForExit();
        Assert.Equal(0, _process.ExitCode);
        Start();
    }

    /// <summary>Waits for something in its log, which is read by and by and may come after an answer.</summary>
    public void MustSay(string text) => Assert.True(Lab.Until(() => Log.Contains(text, StringComparison.Ordinal)), $"It did not say '{text}': {Log}");

    /// <inheritdoc cref="MustSay"/>
    public void MustMatch([StringSyntax(StringSyntaxAttribute.Regex)] string pattern) => Assert.True(Lab.Until(() => Regex.IsMatch(Log, pattern, RegexOptions.None, TimeSpan.FromSeconds(1))), $"It did not say '{pattern}': {Log}");

    // The socket's file is there before anybody listens, and may be its predecessor's.
    private static bool Answers()
    {
        try
        {
            List();
            return true;
        }
        catch (PciException)
        {
            return false;
        }
    }

    /// <summary>As root.</summary>
    internal static Reply Ask(Request request)
    {
        using var connection = BrokerConnection.Open(Settings);
        return connection.Ask(request, []);
    }

    internal static string TakeBack(string device) => Ask(new Request { TakeBack = new() { Device = device } }).TakenBack.How;

    internal static string Bind(string address, string driver = "vfio-pci") =>
        string.Join('\n', Ask(new Request { Bind = new() { Address = address, Driver = driver } }).Bound.Done);

    internal static string Unbind(string address) => string.Join('\n', Ask(new Request { Unbind = new() { Address = address } }).Bound.Done);

    internal static PciException Refused(Func<object> ask) => Assert.Throws<PciException>(ask);

    internal static IReadOnlyList<Grant> List() => Ask(new Request { List = new() }).Grants.All;

    public void Dispose()
    {
        if (_process is { HasExited: false })
            _process.Kill();
        _process?.Dispose();
        File.Delete(Settings.Socket);
        File.Delete(_config);
    }
}
