using Riser.Actors;
using Riser.Actors.Interrupts;

namespace Riser.Host.Exercise;

/// <summary>Loads every vector in turn through the backend's own trigger (for VFIO the kernel's loopback).</summary>
internal sealed class TriggerLoad : Exercise
{
    private const int UnderWay = 4; // commands at a time: the session is never idle, and answers to others soon
    private const int Burst = 16; // interrupts in a command

    private IPort? _port;
    private int _next;
    private int _waiting;
    private bool _stopped;

    public override bool IsIdle => _waiting == 0;

    public override void Begin(IPort port)
    {
        _port = port;
        _waiting = 0;
        if (port.Vectors == 0)
            return;
        if (!port.Info.CanTrigger)
        {
            Problem = "the backend cannot trigger vectors";
            return;
        }
        for (int i = 0; i < UnderWay; i++)
            Next();
    }

    public override void Answered(object answer)
    {
        switch (answer)
        {
            case InterruptProtocol.Triggered done:
                _waiting--;
                Triggered += done.Times;
                Next();
                break;
            case InterruptProtocol.SessionLost { Command: InterruptProtocol.Trigger trigger }:
                InDoubt += trigger.Times;
                break;
            case Refused { Command: InterruptProtocol.Trigger trigger } refused:
                _waiting--;
                InDoubt += trigger.Times;
                Problem = $"a vector could not be triggered: {refused.Why} ({refused.Errno})";
                break;
            default:
                break;
        }
    }

    public override void Lost()
    {
        _port = null;
        _waiting = 0;
    }

    public override void Stop() => _stopped = true;

    private void Next()
    {
        if (_stopped || _port is null)
            return;
        _waiting++;
        _port.Trigger(_next, Burst);
        _next = (_next + 1) % _port.Vectors;
    }
}
