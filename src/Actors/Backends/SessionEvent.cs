namespace Riser.Actors.Backends;

/// <summary>What the kernel has to say of a device in use, and perhaps to ask.</summary>
/// <param name="Kind">What it is about.</param>
/// <param name="Sequence">Names the event in a reply.</param>
/// <param name="Deadline">How long an answer is waited for, from when the event was taken; null: none is.</param>
/// <param name="Severity">Of <see cref="SessionEventKind.Error"/>: what the error has left of the device.</param>
public sealed record SessionEvent(SessionEventKind Kind, long Sequence, TimeSpan? Deadline, DeviceErrorSeverity? Severity = null);

/// <summary>What an event is about. The first three are the steps of PCI error recovery (Documentation/PCI/pci-error-recovery.rst).</summary>
public enum SessionEventKind
{
    /// <summary>The device has reported an uncorrectable error.</summary>
    Error,

    /// <summary>After an error: registers can be read again.</summary>
    RegistersReachable,

    /// <summary>After an error: the link was reset. Configuration space is as at opening, so bus mastering is off.</summary>
    LinkReset,

    /// <summary>Recovery from an error is over.</summary>
    ErrorOver,

    /// <summary>The system wants to suspend.</summary>
    Suspend,

    /// <summary>The system is back, or has not suspended after all.</summary>
    Resumed,

    /// <summary>The device is to go; the answer is the end of the session.</summary>
    Remove,

    /// <summary>Somebody else has reset the device.</summary>
    ForeignReset,
}

/// <summary>What an error has left of a device.</summary>
public enum DeviceErrorSeverity
{
    /// <summary>It still works.</summary>
    Working,

    /// <summary>Neither registers nor DMA get through.</summary>
    Frozen,

    /// <summary>It is lost for good.</summary>
    Dead,
}

/// <summary>What an event can be answered.</summary>
public enum SessionReply
{
    /// <summary>The device is well, or will be without more help; a suspend may go ahead.</summary>
    Recover,

    /// <summary>Of an error: go on to <see cref="SessionEventKind.RegistersReachable"/>, to look at the device.</summary>
    Look,

    /// <summary>Of an error: reset the link.</summary>
    ResetLink,

    /// <summary>Give the device up; a suspend is refused.</summary>
    Disconnect,
}
