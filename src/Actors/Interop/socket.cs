using System.Net.Sockets;
using System.Runtime.InteropServices;
using Mono.Unix.Native;

namespace Riser.Actors.Interop;

/// <summary>sys/socket.h: descriptors that travel over UNIX sockets (SCM_RIGHTS), through Mono.Posix, which has these calls right.</summary>
internal static class SocketRights
{
    /// <summary>More descriptors than this are never passed in one message; the kernel drops what does not fit, and closes it.</summary>
    public const int MostDescriptors = 4;

    private const int HeaderSize = 16; // struct cmsghdr: size_t cmsg_len; int cmsg_level, cmsg_type

    /// <summary>Sends without waiting: who does not take what it is sent gets EAGAIN here, and no SIGPIPE comes.</summary>
    /// <param name="socket">A connected stream socket.</param>
    /// <param name="bytes">At least one: the descriptors come with the first.</param>
    /// <param name="descriptors">Stay the caller's to close.</param>
    /// <returns>How many bytes were taken.</returns>
    /// <exception cref="NativeException">EAGAIN: its buffer is full; EPIPE, ECONNRESET: nobody is there.</exception>
    public static unsafe int Send(SafeSocketHandle socket, ReadOnlySpan<byte> bytes, IReadOnlyList<FileDescriptor>? descriptors = null)
    {
        // SAFETY: the bytes are pinned for the call, which reads them.
        fixed (byte* first = bytes)
        {
            var message = new Msghdr { msg_iov = [new Iovec { iov_base = (nint)first, iov_len = (ulong)bytes.Length }], msg_iovlen = 1 };
            if (descriptors is { Count: > 0 })
                Attach(message, descriptors);
            while (true)
            {
                long sent = Syscall.sendmsg(Number(socket), message, MessageFlags.MSG_DONTWAIT | MessageFlags.MSG_NOSIGNAL);
                GC.KeepAlive(descriptors);
                if (sent >= 0)
                    return (int)sent;
                if (Stdlib.GetLastError() is not Errno.EINTR and var errno)
                    throw new NativeException("sendmsg", errno);
            }
        }
    }

    /// <summary>Receives what is there, and the descriptors that come with it, which are then the caller's (close-on-exec).</summary>
    /// <returns>How many bytes came; 0 when the other side has closed.</returns>
    /// <exception cref="NativeException">EAGAIN: nothing came within SO_RCVTIMEO; ECONNRESET.</exception>
    public static unsafe int Receive(SafeSocketHandle socket, Span<byte> bytes, ICollection<FileDescriptor> descriptors)
    {
        byte[] control = new byte[HeaderSize + (MostDescriptors * sizeof(int))];
        // SAFETY: the bytes are pinned for the call, which writes no more than their number.
        fixed (byte* first = bytes)
        {
            var message = new Msghdr
            {
                msg_iov = [new Iovec { iov_base = (nint)first, iov_len = (ulong)bytes.Length }],
                msg_iovlen = 1,
                msg_control = control,
                msg_controllen = control.Length,
            };
            while (true)
            {
                long received = Syscall.recvmsg(Number(socket), message, MessageFlags.MSG_CMSG_CLOEXEC);
                if (received >= 0)
                {
                    Detach(message, descriptors);
                    return (int)received;
                }
                if (Stdlib.GetLastError() is not Errno.EINTR and var errno)
                    throw new NativeException("recvmsg", errno);
            }
        }
    }

    private static void Attach(Msghdr message, IReadOnlyList<FileDescriptor> descriptors)
    {
        if (descriptors.Count > MostDescriptors)
            throw new ArgumentException($"{descriptors.Count} descriptors are more than {MostDescriptors}.", nameof(descriptors));
        int size = HeaderSize + (descriptors.Count * sizeof(int));
        message.msg_control = new byte[(size + 7) & ~7];
        message.msg_controllen = message.msg_control.Length;
        new Cmsghdr
        {
            cmsg_len = size,
            cmsg_level = UnixSocketProtocol.SOL_SOCKET,
            cmsg_type = UnixSocketControlMessage.SCM_RIGHTS,
        }.WriteToBuffer(message, 0);
        for (int i = 0; i < descriptors.Count; i++)
            MemoryMarshal.Write(message.msg_control.AsSpan(HeaderSize + (i * sizeof(int))), descriptors[i].Number);
    }

    private static void Detach(Msghdr message, ICollection<FileDescriptor> descriptors)
    {
        if (message.msg_controllen < HeaderSize)
            return;
        var header = Cmsghdr.ReadFromBuffer(message, 0);
        if (header.cmsg_level != UnixSocketProtocol.SOL_SOCKET || header.cmsg_type != UnixSocketControlMessage.SCM_RIGHTS)
            return;
        for (int at = HeaderSize; at + sizeof(int) <= Math.Min(header.cmsg_len, message.msg_controllen); at += sizeof(int))
            descriptors.Add(new FileDescriptor(MemoryMarshal.Read<int>(message.msg_control.AsSpan(at))));
    }

    // The caller holds the socket for as long as it calls.
    private static int Number(SafeSocketHandle socket) => (int)socket.DangerousGetHandle();
}
