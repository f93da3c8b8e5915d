using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Uio;

/// <summary>The module's events and answers in the words of every backend.</summary>
internal static class UioEvents
{
    public static SessionEvent Read(upu_event found) => new(
        found.kind switch
        {
            LibC.UPU_EVENT_ERROR => SessionEventKind.Error,
            LibC.UPU_EVENT_MMIO_ENABLED => SessionEventKind.RegistersReachable,
            LibC.UPU_EVENT_SLOT_RESET => SessionEventKind.LinkReset,
            LibC.UPU_EVENT_RESUME => SessionEventKind.ErrorOver,
            LibC.UPU_EVENT_SUSPEND => SessionEventKind.Suspend,
            LibC.UPU_EVENT_RESUMED => SessionEventKind.Resumed,
            LibC.UPU_EVENT_REMOVE => SessionEventKind.Remove,
            _ => SessionEventKind.ForeignReset,
        },
        (long)found.sequence,
        found.deadline_ms == 0 ? null : TimeSpan.FromMilliseconds(found.deadline_ms),
        found.kind != LibC.UPU_EVENT_ERROR
            ? null
            : found.state switch
            {
                LibC.UPU_STATE_NORMAL => DeviceErrorSeverity.Working,
                LibC.UPU_STATE_FROZEN => DeviceErrorSeverity.Frozen,
                _ => DeviceErrorSeverity.Dead,
            });

    public static uint Code(SessionReply reply) => reply switch
    {
        SessionReply.Recover => LibC.UPU_REPLY_RECOVERED,
        SessionReply.Look => LibC.UPU_REPLY_CAN_RECOVER,
        SessionReply.ResetLink => LibC.UPU_REPLY_NEED_RESET,
        _ => LibC.UPU_REPLY_DISCONNECT,
    };
}
