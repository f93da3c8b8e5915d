using System.Buffers.Binary;
using Google.Protobuf;

namespace Riser.Actors.Backends.Broker;

/// <summary>One message on the wire: its length in four bytes, little endian, then the message.</summary>
internal static class Frame
{
    /// <summary>Bytes of the length.</summary>
    public const int HeaderSize = 4;

    /// <summary>No message is longer: who says so sends rubbish, and is not believed.</summary>
    public const int LongestMessage = 64 << 10;

    public static byte[] Of(IMessage message)
    {
        byte[] frame = new byte[HeaderSize + message.CalculateSize()];
        if (frame.Length - HeaderSize > LongestMessage)
            throw new ArgumentException($"A message of {frame.Length - HeaderSize} bytes is longer than {LongestMessage}.", nameof(message));
        BinaryPrimitives.WriteInt32LittleEndian(frame, frame.Length - HeaderSize);
        message.WriteTo(frame.AsSpan(HeaderSize));
        return frame;
    }

    /// <summary>How long the message is whose header this is.</summary>
    /// <exception cref="FrameException">Longer than any message.</exception>
    public static int Length(ReadOnlySpan<byte> header)
    {
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(header);
        return length <= LongestMessage
            ? (int)length
            : throw new FrameException($"a message of {length} bytes was announced; the longest is {LongestMessage}");
    }

    /// <summary>Reads what came in one frame.</summary>
    /// <exception cref="FrameException">It is no such message.</exception>
    public static T Read<T>(MessageParser<T> parser, ReadOnlySpan<byte> message)
        where T : IMessage<T>
    {
        try
        {
            return parser.ParseFrom(message);
        }
        catch (InvalidProtocolBufferException rubbish)
        {
            throw new FrameException($"what came is no {typeof(T).Name}: {rubbish.Message}", rubbish);
        }
    }
}

/// <summary>The other side does not speak as the broker does; nothing more can be understood on that connection.</summary>
internal sealed class FrameException(string why, Exception? inner = null) : Exception(why, inner);
