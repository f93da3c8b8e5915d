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
    private readonly Processes _having;
    private readonly Killing _killing;
    private readonly Binding _binding;
    private readonly RefusalLog _refusals;
    private readonly ListeningSocket _socket;
    private readonly ITimer _timer;
    private readonly Channel<object> _inputs = Channel.CreateUnbounded<object>(new() { SingleReader = true }); // each peer has one request under way
    private readonly ConcurrentDictionary<long, PeerConnection> _peers = [];
    private readonly Dictionary<long, ProcessHandle> _left = []; // processes of peers that have left and still have something open
    private BrokerState _state = BrokerState.Empty;

    /// <exception cref="RunFailedException">It cannot listen there, or cannot read what was bound.</exception>
    public BrokerService(BrokerConfig config, ILogger log, TimeProvider time)
    {
        (_config, _log, _time, _start) = (config, log, time, time.GetTimestamp());
        var sysfs = new PciSysfs(config.Sysfs);
        _targets = new(sysfs, config.VfioNodes, config.UioNodes);
        _having = new(config.Proc);
        _killing = new(_having, log);
        _nodes = new(config.VfioNodes, _having);
        _binding = new(config, _targets, _having);
        _refusals = new(log, () => Now);
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
                TakeGuarded(input);
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
        foreach (var process in _left.Values)
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
            catch (Exception problem) // out of descriptors, or he was gone before
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
        catch (Exception problem)
        {
            _log.Failed("SO_PEERCRED", problem);
            socket.Dispose();
            return;
        }
        if (_config.Connections.Refusal(peer.Who.User, _peers.Values.Select(p => p.Who.User)) is { } refusal)
        {
            _refusals.Dropped(peer.Who, refusal.Why);
            peer.Send(Replies.Refused(refusal));
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
            why = await peer.RunAsync(request => Post(() => Handle(peer, request)), _config.Connections.IdleTimeout, end);
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
            _refusals.Dropped(peer.Who, why);
        _peers.TryRemove(peer.Id, out _);
        if (_state.Grants.Values.Any(g => g.Peer == peer.Id) && peer.TakeProcess() is { } process)
            _left.Add(peer.Id, process);
        Move(new Input.Left(peer.Id));
        peer.Dispose();
    }

    // Whatever one of them meets with, the others go on.
    private void TakeGuarded(object input)
    {
        try
        {
            Take(input);
        }
        catch (Exception problem)
        {
            _log.Failed("What somebody asked for", problem);
        }
    }

    private void Take(object input)
    {
        if (input is Action act)
            act();
        else
            Move((Input)input);
        Forget();
        _timer.Change(_state.Wait(Now) ?? Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    private void Move(Input input)
    {
        (_state, var effects) = _state.On(input, Now);
        foreach (var effect in effects)
        {
            try
            {
                Perform(effect);
            }
            catch (Exception problem) // what is decided is decided, and the rest of it is done
            {
                _log.Failed(effect.GetType().Name, problem);
            }
        }
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
                    Move(new Input.Bind(peer.Id, _binding.Bind(peer.Who, request.Bind.Address, request.Bind.Driver, request.Bind.WholeGroup)));
                    break;
                case Request.CommandOneofCase.Unbind:
                    Move(new Input.Bind(peer.Id, _binding.Unbind(peer.Who, request.Unbind.Address, request.Unbind.WholeGroup)));
                    break;
                case Request.CommandOneofCase.List:
                    Move(new Input.Listing(peer.Id, peer.Who, _config.Policy.IsAdministrator(peer.Who), request.List.After));
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
        catch (Exception problem) // sysfs changes while it is read
        {
            _log.Failed($"{request.CommandCase} of {peer.Who}", problem);
            Refuse(peer, request.CommandCase.ToString(), Failure(problem));
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

    private void Bind(Effect.Bind bind)
    {
        var who = _peers.GetValueOrDefault(bind.Peer)?.Who; // who may leave before it is done
        Beside(bind.Plan.Act, (done, problem) =>
        {
            foreach (string line in done ?? [])
                _log.Bound(line, who);
            Move(new Input.Bound(bind.Peer, bind.Plan, problem is null ? Replies.Bound(done!) : Replies.Refused(problem)));
        });
    }

    private void Refuse(PeerConnection peer, string what, PciException refusal)
    {
        _refusals.Refused(peer.Who, what, refusal.Why, refusal.Errno);
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
            case Effect.Look look: Beside(() => Look(look), (looked, _) => Move(looked ?? new Input.Looked(look.Target.Node, Free: false))); break;
            case Effect.Kill kill: Kill(kill); break;
            case Effect.Bind bind: Bind(bind); break;
            case Effect.Log log: Log(log); break;
            default: throw new InvalidOperationException(effect.GetType().Name);
        }
    }

    private void Open(Input.Wish wish) => Beside(
        () => !wish.Resumes ? _nodes.Open(wish.Target, wish.Container)
            : _having.Has(wish.Who.Process, wish.Target.Node) ? []
            : throw new PciException(Errno.ENODEV, $"{wish.Who} does not have {wish.Target} open", "Ask for it anew."),
        (descriptors, problem) => Move(problem is null
            ? new Input.Opened(wish.Target.Node, wish.Peer, descriptors!)
            : new Input.NotOpened(wish.Target.Node, wish.Peer, Replies.Refusal(problem))));

    private void Pass(Effect.Pass pass)
    {
        if (_peers.TryGetValue(pass.Peer, out var peer))
        {
            peer.Holds = true;
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
            _refusals.Refused(peer.Who, "what it asks for", answer.Reply.Refused.Why, (Errno)answer.Reply.Refused.Errno);
        peer.Holds = _state.Of(peer.Id) is not null;
        peer.Answer(answer.Reply);
    }

    private Input.Looked Look(Effect.Look look)
    {
        bool free = DeviceNodes.Obstacle(look.Target) is null;
        return new(look.Target.Node, free, look.Names && !free && _having.With(look.Target.Node) is { Count: > 0 } holders ? $" in process {Processes.Named(holders)}" : string.Empty);
    }

    private void Kill(Effect.Kill kill)
    {
        var holder = _peers.GetValueOrDefault(kill.Peer)?.Process ?? _left.GetValueOrDefault(kill.Peer);
        Beside(() => _killing.Of(kill.Target, holder, kill.Who.User));
    }

    private void Forget()
    {
        foreach (long peer in _left.Keys.Where(id => !_state.Grants.Values.Any(g => g.Peer == id)).ToArray())
        {
            _left.Remove(peer, out var process);
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
            case Event.StillHeld: Beside(() => _log.StillHeld(grant.Target, grant.Who, log.Cause, Processes.Named(_having.With(grant.Target.Node)))); break;
            case Event.NotRevoked: _log.NotRevoked(grant.Target, grant.Who, log.Detail); break;
            default: throw new InvalidOperationException(log.Event.ToString());
        }
    }

    private void Beside(Action act) => Beside<object?>(
        () =>
        {
            act();
            return null;
        },
        (_, _) => { });

    // On a thread of its own: the kernel may take its time over a device, and nobody else is to wait for that.
    private void Beside<T>(Func<T> act, Action<T?, PciException?> then)
    {
        try
        {
            new Thread(Run) { IsBackground = true, Name = "riser-beside" }.Start();
        }
        catch (Exception problem) when (problem is OutOfMemoryException or ThreadStartException) // no more threads
        {
            Fail(problem);
        }

        void Run()
        {
            try
            {
                var result = act();
                Post(() => then(result, null));
            }
            catch (Exception problem)
            {
                Fail(problem);
            }
        }

        void Fail(Exception problem)
        {
            if (problem is not PciException)
                _log.Failed("A device", problem);
            Post(() => then(default, problem as PciException ?? Failure(problem)));
        }
    }

    /// <summary>What a peer is told of a problem of the broker's own.</summary>
    internal static PciException Failure(Exception problem)
    {
        var errno = problem switch
        {
            NativeException fault => fault.Errno,
            IOException fault => Errnos.Of(fault),
            _ => Errno.EIO,
        };
        return Errnos.IsShortage(errno)
            ? new(errno, $"The broker cannot see what it must know: {problem.Message}", "Raise its limit of open files (ulimit -n, fs.file-max), or end what holds them.")
            : new(Errno.EIO, $"The broker failed: {problem.Message}", "Its log says more.");
    }
}
