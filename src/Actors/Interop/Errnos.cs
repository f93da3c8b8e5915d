using System.Net.Sockets;
using Mono.Unix.Native;

namespace Riser.Actors.Interop;

/// <summary>What the kernel said, out of exceptions that .NET wraps it in.</summary>
internal static class Errnos
{
    /// <summary>The errno of a socket call; EIO where there is no number for it.</summary>
    public static Errno Of(SocketException problem) => NativeConvert.TryToErrno(problem.NativeErrorCode, out var errno) ? errno : Errno.EIO;

    /// <summary>The process or the machine is short of something, which says nothing of the file that was asked for.</summary>
    /// <param name="problem">Of a call of System.IO, whose HResult is the errno unless it has a type of its own.</param>
    /// <param name="errno">EMFILE, ENFILE or ENOMEM.</param>
    public static bool IsShortage(IOException problem, out Errno errno) => NativeConvert.TryToErrno(problem.HResult, out errno) && IsShortage(errno);

    /// <summary>EMFILE, ENFILE or ENOMEM.</summary>
    public static bool IsShortage(Errno errno) => errno is Errno.EMFILE or Errno.ENFILE or Errno.ENOMEM;
}
