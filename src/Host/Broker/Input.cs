using Riser.Actors.Backends.Broker.Messages;
using Riser.Actors.Interop;

namespace Riser.Host.Broker;

/// <summary>What moves the broker's state.</summary>
internal abstract record Input
{
    /// <summary>Somebody asks for a device that the policy lets him have.</summary>
    /// <param name="Container">Also VFIO's container.</param>
    /// <param name="Resumes">He has it already, from a broker before this one.</param>
    public sealed record Wish(long Peer, PeerCredentials Who, Target Target, PolicyRule Rule, bool Container, bool Resumes) : Input;

    /// <param name="Descriptors">Passed on or closed; none for one who resumes.</param>
    public sealed record Opened(string Node, long Peer, IReadOnlyList<FileDescriptor> Descriptors) : Input;

    public sealed record NotOpened(string Node, long Peer, Refused Why) : Input;

    public sealed record Renewal(long Peer) : Input;

    /// <summary>The connection is closed.</summary>
    public sealed record Left(long Peer) : Input;

    /// <summary>Somebody wants a device back. Whether he may, is known by then, unless it is his own.</summary>
    public sealed record TakeBack(long Peer, PeerCredentials Who, Target Target, Refused? MayNot) : Input;

    /// <param name="Free">Nobody has the node open.</param>
    /// <param name="Holders">Who has, as the end of a sentence, where that was asked for.</param>
    public sealed record Looked(string Node, bool Free, string Holders = "") : Input;

    /// <param name="Problem">What the kernel said; null when it has done it, or when there was nothing to be done.</param>
    public sealed record Revoked(string Node, string? Problem) : Input;

    /// <param name="All">He may know of everybody's.</param>
    /// <param name="After">The node of the last one that he knows; empty: none.</param>
    public sealed record Listing(long Peer, PeerCredentials Who, bool All, string After = "") : Input;

    /// <summary>Somebody has functions bound to another driver, which the policy lets him.</summary>
    public sealed record Bind(long Peer, BindingPlan Plan) : Input;

    public sealed record Bound(long Peer, BindingPlan Plan, Reply Reply) : Input;

    /// <summary>Time has passed.</summary>
    public sealed record Tick : Input;
}

/// <summary>What is to be done about it, in order.</summary>
internal abstract record Effect
{
    /// <summary>Answered by Opened or NotOpened.</summary>
    public sealed record Open(Input.Wish Wish) : Effect;

    /// <summary>Sends the answer with the descriptors, then closes the broker's own.</summary>
    public sealed record Pass(long Peer, IReadOnlyList<FileDescriptor> Descriptors, Reply Reply) : Effect;

    /// <summary>Nobody wants them any more: closes them.</summary>
    public sealed record Discard(IReadOnlyList<FileDescriptor> Descriptors) : Effect;

    /// <summary>The one answer to what a connection has asked.</summary>
    public sealed record Answer(long Peer, Reply Reply) : Effect;

    /// <summary>Says something that was not asked for.</summary>
    public sealed record Tell(long Peer, Reply Reply) : Effect;

    /// <summary>UPU_REVOKE. Answered by Revoked.</summary>
    public sealed record Revoke(Target Target) : Effect;

    /// <summary>Whether anybody has the node open. Answered by Looked.</summary>
    public sealed record Look(Target Target, bool Names = false) : Effect;

    /// <summary>Carries out a plan. Answered by Bound.</summary>
    public sealed record Bind(long Peer, BindingPlan Plan) : Effect;

    public sealed record Kill(Target Target, long Peer, PeerCredentials Who) : Effect;

    public sealed record Log(Event Event, Grant Grant, Cause? Cause = null, string Detail = "") : Effect;
}

/// <summary>What the log tells of a grant.</summary>
internal enum Event
{
    Given,
    Resumed,
    AskedBack,
    BackAgain,
    StillHeld,
    NotRevoked,
}
