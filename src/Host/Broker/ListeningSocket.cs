using System.Net.Sockets;
using Riser.Host.Service;

namespace Riser.Host.Broker;

/// <summary>The broker's socket in the file system. Disposing it takes the file away.</summary>
internal sealed class ListeningSocket : IDisposable
{
    private readonly Socket _socket;
    private readonly string _path;

    private ListeningSocket(Socket socket, string path) => (_socket, _path) = (socket, path);

    /// <exception cref="RunFailedException">Another broker listens there, or it cannot be made.</exception>
    public static ListeningSocket Open(string path, UnixFileMode mode)
    {
        var socket = New();
        try
        {
            var address = new UnixDomainSocketEndPoint(path);
            if (Path.GetDirectoryName(path) is { Length: > 0 } folder)
                Directory.CreateDirectory(folder);
            if (Answers(address))
                throw new RunFailedException($"Another broker listens at {path}. End it first, or give this one a socket of its own (broker.socket).");
            File.Delete(path); // what a broker that was killed has left
            socket.Bind(address);
            File.SetUnixFileMode(path, mode);
            socket.Listen(128);
            return new(socket, path);
        }
        catch (Exception problem) when (problem is SocketException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            socket.Dispose();
            throw new RunFailedException($"The broker cannot listen at {path}: {problem.Message} Name a path that this user may write to (broker.socket).");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public ValueTask<Socket> AcceptAsync(CancellationToken end) => _socket.AcceptAsync(end);

    public void Dispose()
    {
        _socket.Dispose();
        File.Delete(_path);
    }

    private static Socket New() => new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    private static bool Answers(UnixDomainSocketEndPoint address)
    {
        using var probe = New();
        try
        {
            probe.Connect(address);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
