namespace Riser.Actors.Reactor;

/// <summary>Whether a loop reports an eventfd. <see cref="SignalSource"/> is the one there is; a spec puts itself between its steps.</summary>
internal interface ISignalInterest : IDisposable
{
    /// <inheritdoc cref="SignalSource.Suspend"/>
    void Suspend();

    /// <inheritdoc cref="SignalSource.Resume"/>
    void Resume();
}
