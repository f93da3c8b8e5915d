using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Mono.Unix.Native;

namespace Riser.Actors.Interop;

/// <summary>How a device node becomes a descriptor. The seam for what opens nodes on behalf of a process that may not.</summary>
internal interface INodeOpener
{
    /// <summary>Opens a node for reading and writing, close-on-exec; the caller owns the descriptor.</summary>
    /// <exception cref="NativeException">As open(2).</exception>
    int Open(string path);
}

/// <summary>An opened device node and its calls.</summary>
internal abstract class NodeFile(int fd) : FileDescriptor(fd)
{
    private const int LargestReply = 1 << 20; // a chain longer than this is no chain

    /// <summary>open(2), with this process's own rights.</summary>
    public static INodeOpener Direct { get; } = new DirectOpener();

    /// <summary>Opens a device node for reading and writing.</summary>
    /// <exception cref="NativeException">As open(2).</exception>
    protected static int OpenNode(string path) => Direct.Open(path);

    /// <summary>A call whose argument is a number.</summary>
    /// <returns>What the kernel returned, 0 or more.</returns>
    protected unsafe int Call(uint request, nint argument, [CallerArgumentExpression(nameof(request))] string name = "")
    {
        while (true)
        {
            // SAFETY: the kernel takes the argument of these requests as a number or, from the other overload, as pinned memory.
            int result = LibC.ioctl(this, request, (void*)argument);
            if (result >= 0)
                return result;
            if (LibC.LastErrno is not Errno.EINTR and var errno)
                throw new NativeException(name.Replace("LibC.", "", StringComparison.Ordinal), errno);
        }
    }

    /// <summary>A call whose argument is a structure of fixed or known size.</summary>
    protected unsafe int Call(uint request, Span<byte> argument, [CallerArgumentExpression(nameof(request))] string name = "")
    {
        // SAFETY: the memory is pinned for the call, and its first word (argsz) says how long it is.
        fixed (byte* pointer = argument)
            return Call(request, (nint)pointer, name);
    }

    /// <summary>A call whose argument is one structure.</summary>
    protected int Call<T>(uint request, ref T argument, [CallerArgumentExpression(nameof(request))] string name = "")
        where T : unmanaged => Call(request, MemoryMarshal.AsBytes(new Span<T>(ref argument)), name);

    /// <summary>Asks for a structure that a chain of capabilities may follow, with as much room as the kernel wants.</summary>
    /// <param name="request">An INFO request.</param>
    /// <param name="question">The structure with its inputs; its first word is filled in here.</param>
    /// <param name="name">The request, for the error.</param>
    protected byte[] Ask<T>(uint request, T question, [CallerArgumentExpression(nameof(request))] string name = "")
        where T : unmanaged
    {
        int size = Math.Max(Unsafe.SizeOf<T>(), 256);
        while (true)
        {
            byte[] reply = new byte[size];
            MemoryMarshal.Write(reply, in question);
            MemoryMarshal.Write(reply, (uint)size);
            Call(request, reply, name);
            uint wanted = MemoryMarshal.Read<uint>(reply);
            if (wanted <= size || wanted > LargestReply)
                return reply;
            size = (int)wanted;
        }
    }

    private sealed class DirectOpener : INodeOpener
    {
        public int Open(string path)
        {
            int fd = Syscall.open(path, OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC);
            return fd >= 0 ? fd : throw new NativeException($"open({path})", Stdlib.GetLastError());
        }
    }
}
