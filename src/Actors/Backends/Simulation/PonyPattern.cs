using System.Buffers.Binary;

namespace Riser.Actors.Backends.Simulation;

/// <summary>
/// The data that a pony writes, so that whoever reads it can tell whether it is right. A frame is 8 bytes of its number,
/// 4 of its whole length, 4 of a mark, then the pattern of its number.
/// </summary>
public static class PonyPattern
{
    /// <summary>Bytes before the pattern of a frame.</summary>
    public const int HeaderSize = 16;

    private const uint Mark = 0x594e4f50;

    /// <summary>Fills bytes with the pattern of a seed.</summary>
    /// <param name="into">Where to.</param>
    /// <param name="seed">Different seeds give different patterns.</param>
    /// <param name="position">Where in the pattern the bytes are; a multiple of 8.</param>
    public static void Fill(Span<byte> into, ulong seed, ulong position = 0)
    {
        Span<byte> last = stackalloc byte[8];
        for (ulong word = position / 8; into.Length > 0; word++)
        {
            ulong value = Mix(seed + ((word + 1) * 0x9e3779b97f4a7c15));
            if (into.Length >= 8)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(into, value);
                into = into[8..];
                continue;
            }

            BinaryPrimitives.WriteUInt64LittleEndian(last, value);
            last[..into.Length].CopyTo(into);
            return;
        }
    }

    /// <summary>Whether bytes are the pattern of a seed.</summary>
    /// <param name="bytes">What was found.</param>
    /// <param name="seed">The seed they should be of.</param>
    /// <param name="position">Where in the pattern they are; a multiple of 8.</param>
    public static bool Matches(ReadOnlySpan<byte> bytes, ulong seed, ulong position = 0)
    {
        Span<byte> expected = stackalloc byte[256];
        for (int at = 0; at < bytes.Length; at += expected.Length)
        {
            var part = expected[..Math.Min(expected.Length, bytes.Length - at)];
            Fill(part, seed, position + (ulong)at);
            if (!part.SequenceEqual(bytes.Slice(at, part.Length)))
                return false;
        }

        return true;
    }

    /// <summary>Makes frame <paramref name="number"/> of the whole length of <paramref name="into"/>, at least <see cref="HeaderSize"/> bytes.</summary>
    public static void Frame(Span<byte> into, ulong number)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(into, number);
        BinaryPrimitives.WriteUInt32LittleEndian(into[8..], (uint)into.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(into[12..], Mark);
        Fill(into[HeaderSize..], number);
    }

    /// <summary>Checks the frame in a ring slot. Null: it is not right.</summary>
    /// <param name="slot">The whole slot.</param>
    /// <param name="number">The number that the frame must have.</param>
    /// <returns>The frame's length in bytes.</returns>
    public static int? Verify(ReadOnlySpan<byte> slot, ulong number)
    {
        if (slot.Length < HeaderSize || BinaryPrimitives.ReadUInt64LittleEndian(slot) != number || BinaryPrimitives.ReadUInt32LittleEndian(slot[12..]) != Mark)
            return null;
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(slot[8..]);
        return length >= HeaderSize && length <= slot.Length && Matches(slot[HeaderSize..(int)length], number) ? (int)length : null;
    }

    /// <summary>FNV-1a, 64 bit, going on from an earlier part; begin with <see cref="ChecksumStart"/>.</summary>
    public static ulong Checksum(ReadOnlySpan<byte> bytes, ulong before = ChecksumStart)
    {
        ulong hash = before;
        foreach (byte b in bytes)
            hash = (hash ^ b) * 0x100000001b3;
        return hash;
    }

    /// <summary>The checksum of nothing.</summary>
    public const ulong ChecksumStart = 0xcbf29ce484222325;

    /// <summary>SplitMix64's output function.</summary>
    internal static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
        value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
        return value ^ (value >> 31);
    }
}
