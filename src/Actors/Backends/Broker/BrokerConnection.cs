using System.Net.Sockets;
using Riser.Actors.Backends.Broker.Messages;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Broker;

/// <summary>A connection to the broker, as those who ask have it. Blocks, with a limit. For one thread; disposing gives back what it holds.</summary>
internal sealed class BrokerConnection : IDisposable
{
    private readonly BrokerSettings _settings;
    private readonly Socket _socket;

    private BrokerConnection(BrokerSettings settings, Socket socket)
    {
        _settings = settings;
        _socket = socket;
    }

    /// <summary>For waiting, together with other descriptors, until something comes.</summary>
    public int Descriptor => (int)_socket.Handle;

    /// <exception cref="PciException">ECONNREFUSED, ENOENT, EACCES: there is no broker that could be asked.</exception>
    public static BrokerConnection Open(BrokerSettings settings)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        int limit = (int)settings.AnswerWithin.TotalMilliseconds;
        try
        {
            socket.ReceiveTimeout = socket.SendTimeout = limit;
            socket.Connect(new UnixDomainSocketEndPoint(settings.Socket));
            return new(settings, socket);
        }
        catch (Exception problem) when (problem is SocketException or ArgumentException)
        {
            socket.Dispose();
            var errno = problem is not SocketException refused ? Errno.ENAMETOOLONG : File.Exists(settings.Socket) ? Errnos.Of(refused) : Errno.ENOENT;
            throw new PciException(errno, $"The broker cannot be asked at {settings.Socket}", "Start it as root: riser broker; or name its socket in riser.broker.socket.", inner: problem);
        }
    }

    /// <summary>Asks, and waits for the answer.</summary>
    /// <param name="request">What is asked for.</param>
    /// <param name="descriptors">Receives those that come with the answer.</param>
    /// <param name="patience">How long the answer may take; null: as configured.</param>
    /// <returns>Anything but a refusal.</returns>
    /// <exception cref="PciException">What the broker refused; or ETIMEDOUT, ECONNRESET, EPROTO: it does not answer as it should.</exception>
    public Reply Ask(Request request, ICollection<FileDescriptor> descriptors, TimeSpan? patience = null)
    {
        Send(request);
        _socket.ReceiveTimeout = (int)(patience ?? _settings.AnswerWithin).TotalMilliseconds;
        while (true)
        {
            var reply = Receive(descriptors);
            switch (reply.AnswerCase)
            {
                case Reply.AnswerOneofCase.Refused: throw new PciException((Errno)reply.Refused.Errno, reply.Refused.Why, reply.Refused.Fix);
                case Reply.AnswerOneofCase.None: throw new PciException(Errno.EPROTO, "The broker answers with what this program does not know", "Use the same version of both.");
                case Reply.AnswerOneofCase.Wanted: continue; // answers nothing
                default: return reply;
            }
        }
    }

    public void Send(Request request)
    {
        ReadOnlySpan<byte> frame = Frame.Of(request);
        try
        {
            for (int sent = 0; sent < frame.Length;)
                sent += _socket.Send(frame[sent..]);
        }
        catch (SocketException broken)
        {
            throw Broken(broken, Errnos.Of(broken));
        }
    }

    /// <summary>Waits for one message.</summary>
    /// <exception cref="PciException">ETIMEDOUT, ECONNRESET, EPROTO.</exception>
    public Reply Receive(ICollection<FileDescriptor> descriptors)
    {
        try
        {
            byte[] header = Exactly(Frame.HeaderSize, descriptors);
            return Frame.Read(Reply.Parser, Exactly(Frame.Length(header), descriptors));
        }
        catch (FrameException rubbish)
        {
            throw Broken(rubbish, Errno.EPROTO);
        }
        catch (NativeException broken)
        {
            throw Broken(broken, broken.Errno == Errno.EAGAIN ? Errno.ETIMEDOUT : broken.Errno);
        }
    }

    public void Dispose() => _socket.Dispose();

    private byte[] Exactly(int size, ICollection<FileDescriptor> descriptors)
    {
        byte[] bytes = new byte[size];
        for (int filled = 0; filled < size;)
        {
            int more = SocketRights.Receive(_socket.SafeHandle, bytes.AsSpan(filled), descriptors);
            filled += more > 0 ? more : throw new NativeException("recvmsg", Errno.ECONNRESET);
        }
        return bytes;
    }

    private PciException Broken(Exception problem, Errno errno) =>
        new(errno, $"The broker at {_settings.Socket} does not answer as it should: {problem.Message}", "Its log says more; start it again if it has ended.", inner: problem);
}
