using System.Net.Sockets;
using Mono.Unix.Native;

namespace Riser.Actors.Interop;

/// <summary>What the kernel said, out of exceptions that .NET wraps it in.</summary>
internal static class Errnos
{
    /// <summary>The errno of a socket call; EIO where there is no number for it.</summary>
    public static Errno Of(SocketException problem) => NativeConvert.TryToErrno(problem.NativeErrorCode, out var errno) ? errno : Errno.EIO;
}
