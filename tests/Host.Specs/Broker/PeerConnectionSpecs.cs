using System.Net.Sockets;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Broker.Messages;
using Riser.Host.Broker;

namespace Riser.Host.Specs.Broker;

public sealed class PeerConnectionSpecs
{
    [Fact]
    public void An_answer_that_is_too_long_is_a_refusal()
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        string path = Path.Combine(Path.GetTempPath(), $"riser-peer-{Environment.ProcessId}.sock");
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        using var asker = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 60_000 };
        asker.Connect(new UnixDomainSocketEndPoint(path));
        File.Delete(path);
        using var peer = new PeerConnection(1, listener.Accept());

        peer.Answer(Replies.Refused(Errno.EBUSY, new('x', Frame.LongestMessage), "fix"));

        byte[] frame = new byte[4096];
        int size = asker.Receive(frame);
        var refused = Frame.Read(Reply.Parser, frame.AsSpan(Frame.HeaderSize, size - Frame.HeaderSize)).Refused;
        Assert.Equal((int)Errno.EMSGSIZE, refused.Errno);
        Assert.Equal(Environment.ProcessId, peer.Process!.Id);
    }
}
