using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Hardware;

/// <summary>Turns what the kernel refused into what a caller can use; the errno stays.</summary>
internal static class DeviceFaults
{
    /// <summary>A call on an opened device that is still there failed.</summary>
    /// <param name="address">The device.</param>
    /// <param name="fault">What the kernel said.</param>
    /// <param name="failure">What it means for the session; null when only the call was refused.</param>
    public static PciException OnDevice(string address, NativeException fault, SessionFailure? failure = SessionFailure.CallFailed) =>
        new(fault.Errno, $"{fault.Call} was refused for {address}", failure is null ? "Check the arguments." : "Open the device again; the kernel's log may say more.", failure, fault);

    /// <summary>The device does not answer any more.</summary>
    public static PciException Gone(string address, Errno errno, Exception? inner = null) =>
        new(errno, $"{address} is gone: reads give all ones or the kernel has dropped it", "Plug it in again; it comes back by itself.", SessionFailure.SurpriseRemoval, inner);

    /// <summary>The session was disposed.</summary>
    public static PciException Ended(string address) =>
        new(Errno.ENODEV, $"The session of {address} has ended", "Wait for SessionReady.");
}
