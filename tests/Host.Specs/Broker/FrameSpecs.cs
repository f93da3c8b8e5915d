using FsCheck.Xunit;
using Google.Protobuf;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Broker.Messages;

namespace Riser.Host.Specs.Broker;

/// <summary>What travels between the broker and those who ask it.</summary>
public sealed class FrameSpecs
{
    [Property]
    public void A_message_comes_back_as_it_went(string device, bool container)
    {
        var request = new Request { Open = new() { Device = Valid(device), Container = container } };

        byte[] frame = Frame.Of(request);

        Assert.Equal(frame.Length - Frame.HeaderSize, Frame.Length(frame));
        Assert.Equal(request, Frame.Read(Request.Parser, frame.AsSpan(Frame.HeaderSize)));
    }

    [Property(MaxTest = 2000)]
    public void Any_bytes_are_a_message_or_refused(byte[] bytes) => ReadOrRefuse(bytes);

    [Property(MaxTest = 2000)]
    public void A_message_with_any_bytes_changed_is_a_message_or_refused(int seed)
    {
        var random = new Random(seed);
        byte[] bytes = new Request { Bind = new() { Address = "0000:01:00.0", Driver = "vfio-pci", WholeGroup = true } }.ToByteArray();
        for (int i = random.Next(1, 6); i > 0; i--)
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);

        ReadOrRefuse(bytes[..random.Next(bytes.Length + 1)]);
    }

    [Theory]
    [InlineData(0u, true)]
    [InlineData((uint)Frame.LongestMessage, true)]
    [InlineData((uint)Frame.LongestMessage + 1, false)]
    [InlineData(0x80000000u, false)]
    [InlineData(uint.MaxValue, false)]
    public void A_length_is_believed_up_to_the_longest(uint length, bool believed)
    {
        byte[] header = BitConverter.GetBytes(length);

        if (believed)
            Assert.Equal((int)length, Frame.Length(header));
        else
            Assert.Throws<FrameException>(() => Frame.Length(header));
    }

    [Fact]
    public void Nothing_longer_is_sent() =>
        Assert.Throws<ArgumentException>(() => Frame.Of(new Request { Ask = new() { Device = new('x', Frame.LongestMessage) } }));

    private static void ReadOrRefuse(byte[] bytes)
    {
        try
        {
            Assert.NotNull(Frame.Read(Request.Parser, bytes));
        }
        catch (FrameException)
        {
            // and by nothing else
        }
    }

    // protobuf's strings are UTF-8: what is none does not travel.
    private static string Valid(string? text) => text is null ? string.Empty : System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text));
}
