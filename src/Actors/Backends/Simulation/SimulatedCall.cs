namespace Riser.Actors.Backends.Simulation;

/// <summary>A call of the backend that a script can fail or that a device's history shows.</summary>
public enum SimulatedCall
{
    /// <summary><see cref="IPciBackend.Open"/>.</summary>
    Open,

    /// <summary><see cref="IPciSession.ReadConfig"/>.</summary>
    ReadConfig,

    /// <summary><see cref="IPciSession.WriteConfig"/>.</summary>
    WriteConfig,

    /// <summary>A read of a BAR that is not shared memory.</summary>
    ReadBar,

    /// <summary>A write of a BAR that is not shared memory.</summary>
    WriteBar,

    /// <summary><see cref="IPciSession.Map"/>.</summary>
    Map,

    /// <summary><see cref="IPciSession.Unmap"/>; in a history also the end of all mappings.</summary>
    Unmap,

    /// <summary>Arming of vectors.</summary>
    Arm,

    /// <summary><see cref="IPciSession.Disarm"/>.</summary>
    Disarm,

    /// <summary><see cref="IPciSession.Mask"/>.</summary>
    Mask,

    /// <summary><see cref="IPciSession.Trigger"/>.</summary>
    Trigger,

    /// <summary><see cref="IPciSession.SetBusMaster"/>.</summary>
    SetBusMaster,

    /// <summary><see cref="IPciSession.Reset"/>.</summary>
    Reset,

    /// <summary>The end of a session; cannot be failed.</summary>
    Close,
}
