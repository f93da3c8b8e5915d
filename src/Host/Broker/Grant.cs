using System.Collections.Immutable;

namespace Riser.Host.Broker;

/// <summary>A device that somebody has, is getting, or is losing.</summary>
/// <param name="Target">What it is.</param>
/// <param name="Peer">The connection that holds it.</param>
/// <param name="Who">Who is at its other end.</param>
/// <param name="Rule">What allows it.</param>
/// <param name="Phase">Where it is between being asked for and being back.</param>
/// <param name="Waiting">Connections that wait for it to be back.</param>
/// <param name="Next">Wishes that came while it was on its way back; the first is next.</param>
internal sealed record Grant(
    Target Target,
    long Peer,
    PeerCredentials Who,
    PolicyRule Rule,
    Phase Phase,
    ImmutableList<long> Waiting,
    ImmutableList<Input.Wish> Next);

/// <summary>Why a device is taken back.</summary>
internal enum Cause
{
    HolderLeft,
    LeaseEnded,
    Requested,
}

/// <summary>Where a grant is between being asked for and being back.</summary>
internal abstract record Phase
{
    /// <summary>When something happens by itself; null: only something else moves it on.</summary>
    public abstract TimeSpan? Due { get; }

    /// <summary>The same with more time for the holder, who could not be heard.</summary>
    public virtual Phase Later(TimeSpan by) => this;

    /// <summary>Whether one who wishes for it had better wait a moment.</summary>
    public bool IsOnItsWayBack => this is Revoking or Closing { Killed: false };

    /// <summary>The node is being opened.</summary>
    public sealed record Opening : Phase
    {
        public override TimeSpan? Due => null;
    }

    public sealed record Held(TimeSpan LeaseEnds) : Phase
    {
        public override TimeSpan? Due => LeaseEnds;

        public override Phase Later(TimeSpan by) => new Held(LeaseEnds + by);
    }

    /// <summary>The holder has been asked to close it.</summary>
    public sealed record Asked(TimeSpan Deadline, Cause Cause) : Phase
    {
        public override TimeSpan? Due => Deadline;

        public override Phase Later(TimeSpan by) => this with { Deadline = Deadline + by };
    }

    /// <summary>The kernel is taking it from whoever has it.</summary>
    /// <param name="Cause">Why.</param>
    /// <param name="Again">It has refused to before.</param>
    public sealed record Revoking(Cause Cause, bool Again = false) : Phase
    {
        public override TimeSpan? Due => null;
    }

    /// <summary>It should be closed by now; looked at until it is. <paramref name="NextLook"/> is null while somebody looks.</summary>
    public sealed record Closing(TimeSpan Deadline, TimeSpan? NextLook, Cause Cause, bool Killed) : Phase
    {
        public override TimeSpan? Due => NextLook;
    }

    /// <summary>It was not given back in time, and nothing more is done than to look at it now and then; the kernel, where it takes devices back, is asked again.</summary>
    public sealed record Overdue(TimeSpan? NextLook, Cause Cause) : Phase
    {
        public override TimeSpan? Due => NextLook;
    }
}
