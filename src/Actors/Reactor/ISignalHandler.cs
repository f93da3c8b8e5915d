namespace Riser.Actors.Reactor;

/// <summary>Is told that an eventfd was signalled.</summary>
internal interface ISignalHandler
{
    /// <summary>
    /// Called on the loop's thread for each edge: at least once after the last signal, and once for many that come together.
    /// It must not block, not throw, and not dispose a <see cref="SignalSource"/> of another loop.
    /// </summary>
    void OnSignal();
}
