using System.Net.Sockets;
using Mono.Unix.Native;

namespace Riser.Actors.Interop;

/// <summary>What the kernel said, out of exceptions that .NET wraps it in.</summary>
internal static class Errnos
{
    /// <summary>The errno of a socket call; EIO where there is no number for it.</summary>
    public static Errno Of(SocketException problem) => NativeConvert.TryToErrno(problem.NativeErrorCode, out var errno) ? errno : Errno.EIO;

    /// <summary>The errno of a call of System.IO; EIO where the exception has a type of its own in place of a number.</summary>
    public static Errno Of(IOException problem) => NativeConvert.TryToErrno(problem.HResult, out var errno) ? errno : Errno.EIO;

    /// <summary>The process or the machine is short of something, which says nothing of the file that was asked for: EMFILE, ENFILE, ENOMEM.</summary>
    public static bool IsShortage(IOException problem) => IsShortage(Of(problem));

    /// <inheritdoc cref="IsShortage(IOException)"/>
    public static bool IsShortage(Errno errno) => errno is Errno.EMFILE or Errno.ENFILE or Errno.ENOMEM;
}
