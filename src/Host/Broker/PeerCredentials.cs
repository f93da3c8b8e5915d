using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Riser.Host.Broker;

/// <summary>Who is at the other end of a UNIX socket, as the kernel noted it when it connected.</summary>
/// <param name="Process">Its id; 0 when it lives in another PID namespace.</param>
/// <param name="User">Its effective user.</param>
/// <param name="Groups">Its effective group and its supplementary ones.</param>
internal sealed record PeerCredentials(int Process, uint User, IReadOnlySet<uint> Groups)
{
    private const int SOL_SOCKET = 1, SO_PEERCRED = 17, SO_PEERGROUPS = 59; // asm-generic/socket.h

    /// <exception cref="SocketException">It has no such peer.</exception>
    public static PeerCredentials Of(Socket socket)
    {
        Span<uint> credentials = stackalloc uint[3]; // struct ucred: pid, uid, gid
        socket.GetRawSocketOption(SOL_SOCKET, SO_PEERCRED, MemoryMarshal.AsBytes(credentials));
        Span<byte> groups = new byte[65536 * sizeof(uint)]; // NGROUPS_MAX
        int size = socket.GetRawSocketOption(SOL_SOCKET, SO_PEERGROUPS, groups);
        return new((int)credentials[0], credentials[1], new HashSet<uint>([credentials[2], .. MemoryMarshal.Cast<byte, uint>(groups[..size])]));
    }

    /// <inheritdoc/>
    public override string ToString() => $"user {User} (process {Process})";
}
