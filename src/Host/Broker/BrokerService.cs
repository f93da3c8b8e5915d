using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Broker.Messages;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;
using Riser.Host.Service;

namespace Riser.Host.Broker;

/// <summary>
/// The broker: listens, and performs what <see cref="BrokerState"/> decides. One loop has the state; whatever may block (devices,
/// processes, drivers) runs beside it and reports back to it. No actor system: this is what root runs, and it is small.
/// </summary>
internal sealed class BrokerService : IDisposable
{
    private readonly BrokerConfig _config;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly Targets _targets;
    private readonly DeviceNodes _nodes;
    private readonly Binding _binding;
    private readonly ListeningSocket _socket;
    private readonly ITimer _timer;
    private readonly Channel<object> _inputs = Channel.CreateUnbounded<object>(new() { SingleReader = true }); // each peer has one request under way
    private readonly ConcurrentDictionary<long, PeerConnection> _peers = [];
    private readonly Dictionary<long, ProcessHandle> _processes = []; // of peers that hold something, or have left and still have it open
    private BrokerState _state = BrokerState.Empty;

    /// <exception cref="RunFailedException">It cannot listen there, or cannot read what was bound.</exception>
    public BrokerService(BrokerConfig config, ILogger log, TimeProvider time)
    {
        (_config, _log, _time, _start) = (config, log, time, time.GetTimestamp());
        var sysfs = new PciSysfs(config.Sysfs);
        _targets = new(sysfs, config.VfioNodes, config.UioNodes);
        _nodes = new(config.VfioNodes, config.Proc);
        _binding = new(config, _targets, _nodes);
        _socket = ListeningSocket.Open(config.Socket, config.SocketMode);
        _timer = time.CreateTimer(_ => Post(new Input.Tick()), state: null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Serves until it is asked to end. What was given stays with those who have it.</summary>
    public async Task RunAsync(CancellationToken end)
    {
        if (!Environment.IsPrivilegedProcess)
            _log.NotRoot();
        _log.Listening(_config.Socket, _config.Policy.Rules.Count);
        var accepting = AcceptAsync(end);
        try
        {
            await foreach (object input in _inputs.Reader.ReadAllAsync(end))
                Take(input);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // Asked to.
        }
        await accepting;
    }

    public void Dispose()
    {
        _timer.Dispose();
        _socket.Dispose();
        foreach (var peer in _peers.Values)
            peer.Dispose();
        foreach (var process in _processes.Values)
            process.Dispose();
    }

    private TimeSpan Now => _time.GetElapsedTime(_start);

    private void Post(object input) => _inputs.Writer.TryWrite(input);

    private async Task AcceptAsync(CancellationToken end)
    {
        for (long id = BrokerState.Nobody + 1; !end.IsCancellationRequested; id++)
        {
            try
            {
                Greet(id, await _socket.AcceptAsync(end), end);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException problem) // out of descriptors, or he was gone before
            {
                _log.Failed("accept", problem);
                await Task.Delay(TimeSpan.FromMilliseconds(100), _time, CancellationToken.None);
            }
        }
    }

    private void Greet(long id, Socket socket, CancellationToken end)
    {
        PeerConnection peer;
        try
        {
            peer = new(id, socket);
        }
        catch (SocketException problem)
        {
            _log.Failed("SO_PEERCRED", problem);
            socket.Dispose();
            return;
        }
        if (_peers.Values.Count(p => p.Who.User == peer.Who.User) >= _config.MostPerUser)
        {
            _log.Dropped(peer.Who, $"its user has {_config.MostPerUser} connections already");
            peer.Send(Replies.Refused(Errno.EUSERS, $"User {peer.Who.User} has {_config.MostPerUser} connections to the broker already", "Close some; broker.connections.most-per-user is the limit."));
            peer.Dispose();
            return;
        }
        _peers[id] = peer;
        _ = ServeAsync(peer, end);
    }

    private async Task ServeAsync(PeerConnection peer, CancellationToken end)
    {
        string? why = "it failed";
        try
        {
            why = await peer.RunAsync(request => Post(() => Handle(peer, request)), _config.IdleTimeout, end);
        }
        catch (Exception problem) when (problem is not OperationCanceledException) // one connection's trouble stays its own
        {
            _log.Failed($"The connection of {peer.Who}", problem);
        }
        Post(() => Leave(peer, why));
    }

    private void Post(Action act) => Post((object)act);

    private void Leave(PeerConnection peer, string? why)
    {
        if (why is not null)
            _log.Dropped(peer.Who, why);
        Move(new Input.Left(peer.Id));
        _peers.TryRemove(peer.Id, out _);
        peer.Dispose();
    }

    private void Take(object input)
    {
        if (input is Action act)
            act();
        else
            Move((Input)input);
        Forget();
        if (_state.Due is { } due)
            _timer.Change(due > Now ? due - Now : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        else
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    private void Move(Input input)
    {
        (_state, var effects) = _state.On(input, Now);
        foreach (var effect in effects)
            Perform(effect);
    }

    /// <summary>What is asked for, in the loop; what it reads of sysfs does not block.</summary>
    private void Handle(PeerConnection peer, Request request)
    {
        try
        {
            switch (request.CommandCase)
            {
                case Request.CommandOneofCase.Open:
                    Wish(peer, request.Open.Device, request.Open.Container, resumes: false);
                    break;
                case Request.CommandOneofCase.Resume:
                    Wish(peer, request.Resume.Device, container: false, resumes: true);
                    break;
                case Request.CommandOneofCase.Renew:
                    Move(new Input.Renewal(peer.Id));
                    break;
                case Request.CommandOneofCase.Ask:
                    peer.Answer(Replies.Allowed(_config.Policy.Judge(peer.Who, Act.Open, _targets.Find(request.Ask.Device))));
                    break;
                case Request.CommandOneofCase.TakeBack:
                    TakeBack(peer, _targets.Find(request.TakeBack.Device));
                    break;
                case Request.CommandOneofCase.Bind:
                    Bind(peer, () => _binding.Bind(peer.Who, request.Bind.Address, request.Bind.Driver, request.Bind.WholeGroup));
                    break;
                case Request.CommandOneofCase.Unbind:
                    Bind(peer, () => _binding.Unbind(peer.Who, request.Unbind.Address, request.Unbind.WholeGroup));
                    break;
                case Request.CommandOneofCase.List:
                    Move(new Input.Listing(peer.Id, peer.Who, _config.Policy.IsAdministrator(peer.Who)));
                    break;
                case Request.CommandOneofCase.None:
                default:
                    throw new PciException(Errno.EOPNOTSUPP, "The broker does not know this request", "Use the same version of both.");
            }
        }
        catch (PciException refusal)
        {
            Refuse(peer, request.CommandCase.ToString(), refusal);
        }
    }

    private void Wish(PeerConnection peer, string device, bool container, bool resumes)
    {
        var target = _targets.Find(device);
        Move(new Input.Wish(peer.Id, peer.Who, target, _config.Policy.Judge(peer.Who, Act.Open, target), container, resumes));
    }

    private void TakeBack(PeerConnection peer, Target target)
    {
        Refused? mayNot = null;
        try
        {
            _config.Policy.Judge(peer.Who, Act.TakeBack, target);
        }
        catch (PciException refusal)
        {
            mayNot = Replies.Refusal(refusal);
        }
        Move(new Input.TakeBack(peer.Id, peer.Who, target, mayNot));
    }

    private void Bind(PeerConnection peer, Func<IReadOnlyList<string>> act)
    {
        Beside(act, (done, problem) =>
        {
            if (problem is not null)
            {
                Refuse(peer, "a binding", problem);
                return;
            }
            foreach (string line in done!)
                _log.Bound(line, peer.Who);
            Reply(peer, Replies.Bound(done));
        });
    }

    private void Refuse(PeerConnection peer, string what, PciException refusal)
    {
        _log.Refused(peer.Who, what, refusal.Why, refusal.Errno);
        Reply(peer, Replies.Refused(refusal));
    }

    // He may have left while he was being answered.
    private void Reply(PeerConnection peer, Reply reply)
    {
        if (_peers.ContainsKey(peer.Id))
            peer.Answer(reply);
    }

    private void Perform(Effect effect)
    {
        switch (effect)
        {
            case Effect.Open open: Open(open.Wish); break;
            case Effect.Pass pass: Pass(pass); break;
            case Effect.Discard discard: Close(discard.Descriptors); break;
            case Effect.Answer answer: Answer(answer); break;
            case Effect.Tell tell: _peers.GetValueOrDefault(tell.Peer)?.Send(tell.Reply); break;
            case Effect.Revoke revoke: Beside(() => DeviceNodes.Revoke(revoke.Target), (problem, fault) => Move(new Input.Revoked(revoke.Target.Node, fault?.Why ?? problem))); break;
            case Effect.Look look: Beside(() => DeviceNodes.IsFree(look.Target), (free, _) => Move(new Input.Looked(look.Target.Node, free))); break;
            case Effect.Kill kill: Kill(kill); break;
            case Effect.Log log: Log(log); break;
            default: throw new InvalidOperationException(effect.GetType().Name);
        }
    }

    private void Open(Input.Wish wish) => Beside(
        () => !wish.Resumes ? _nodes.Open(wish.Target, wish.Container)
            : _nodes.Holds(wish.Who.Process, wish.Target.Node) ? []
            : throw new PciException(Errno.ENODEV, $"{wish.Who} does not have {wish.Target} open", "Ask for it anew."),
        (descriptors, problem) => Move(problem is null
            ? new Input.Opened(wish.Target.Node, wish.Peer, descriptors!)
            : new Input.NotOpened(wish.Target.Node, wish.Peer, Replies.Refusal(problem))));

    private void Pass(Effect.Pass pass)
    {
        if (_peers.TryGetValue(pass.Peer, out var peer))
        {
            peer.Holds = true;
            Remember(peer);
            peer.Answer(pass.Reply, pass.Descriptors);
        }
        Close(pass.Descriptors); // the broker keeps nothing of what it has given
    }

    private static void Close(IReadOnlyList<FileDescriptor> descriptors)
    {
        foreach (var descriptor in descriptors)
            descriptor.Dispose();
    }

    private void Answer(Effect.Answer answer)
    {
        if (!_peers.TryGetValue(answer.Peer, out var peer))
            return;
        if (answer.Reply.AnswerCase == Actors.Backends.Broker.Messages.Reply.AnswerOneofCase.Refused)
            _log.Refused(peer.Who, "what it asks for", answer.Reply.Refused.Why, (Errno)answer.Reply.Refused.Errno);
        peer.Holds = _state.Of(peer.Id) is not null;
        if (peer.Holds)
            Remember(peer);
        peer.Answer(answer.Reply);
    }

    // The process that has the lease, and whoever else has the node open: he got it from that process, and has no lease.
    private void Kill(Effect.Kill kill)
    {
        try
        {
            _log.Killed(kill.Who.Process, kill.Target);
            _processes.GetValueOrDefault(kill.Peer)?.Kill();
            foreach (int holder in _nodes.Holders(kill.Target.Node).Where(p => p != kill.Who.Process && p != Environment.ProcessId))
            {
                using var process = ProcessHandle.Open(holder);
                if (process is null || !_nodes.Holds(holder, kill.Target.Node)) // its number may be another's by now
                    continue;
                _log.Killed(holder, kill.Target);
                process.Kill();
            }
        }
        catch (NativeException refused)
        {
            _log.Failed("To kill a holder", refused);
        }
    }

    private void Remember(PeerConnection peer)
    {
        if (!_processes.ContainsKey(peer.Id) && ProcessHandle.OfPeer(peer.Socket, peer.Who.Process) is { } process)
            _processes.Add(peer.Id, process);
    }

    private void Forget()
    {
        foreach (long peer in _processes.Keys.Where(id => !_state.Grants.Values.Any(g => g.Peer == id)).ToArray())
        {
            _processes.Remove(peer, out var process);
            process!.Dispose();
        }
    }

    private void Log(Effect.Log log)
    {
        var grant = log.Grant;
        switch (log.Event)
        {
            case Event.Given: _log.Given(grant.Target, grant.Target.Node, grant.Who, grant.Rule.Name); break;
            case Event.Resumed: _log.Resumed(grant.Target, grant.Target.Node, grant.Who, grant.Rule.Name); break;
            case Event.AskedBack: _log.AskedBack(grant.Target, grant.Who, log.Cause); break;
            case Event.BackAgain: _log.BackAgain(grant.Target, grant.Who, log.Detail); break;
            case Event.StillHeld: _log.StillHeld(grant.Target, grant.Who, log.Cause, string.Join(", ", _nodes.Holders(grant.Target.Node))); break;
            case Event.NotRevoked: _log.NotRevoked(grant.Target, grant.Who, log.Detail); break;
            default: throw new InvalidOperationException(log.Event.ToString());
        }
    }

    // On a thread of its own: the kernel may take its time over a device, and nobody else is to wait for that.
    private void Beside<T>(Func<T> act, Action<T?, PciException?> then) => _ = Task.Factory.StartNew(
        () =>
        {
            try
            {
                var result = act();
                Post(() => then(result, null));
            }
            catch (Exception problem)
            {
                if (problem is not PciException)
                    _log.Failed("A device", problem);
                var refusal = problem as PciException ?? new PciException(Errno.EIO, $"The broker failed: {problem.Message}", "Its log says more.");
                Post(() => then(default, refusal));
            }
        },
        CancellationToken.None,
        TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
        TaskScheduler.Default);
}
