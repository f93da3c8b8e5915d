using Riser.Actors.Backends;
using Riser.Actors.Dma;

namespace Riser.Host.Exercise;

/// <summary>
/// One way to load one family of devices, apart from the actor around it, so that it can be tested without one: it is told
/// what happens, and acts through its <see cref="IPort"/>. Never blocks; runs on a reactor thread.
/// </summary>
internal abstract class Exercise
{
    /// <summary>DMA regions that it needs; they are in <see cref="IPort.Regions"/> in this order.</summary>
    public virtual IReadOnlyList<RegionWish> Regions => [];

    /// <summary>Interrupts that it has caused by means of its own, and that the device has acknowledged.</summary>
    public long Triggered { get; protected set; }

    /// <summary>Interrupts that it may have caused: the session ended before the device could say.</summary>
    public long InDoubt { get; protected set; }

    /// <summary>Bytes that were moved for it.</summary>
    public DmaTally Dma { get; protected set; }

    /// <summary>What the device refused last.</summary>
    public string? Problem { get; protected set; }

    /// <summary>After <see cref="Stop"/>: nothing of it is under way.</summary>
    public abstract bool IsIdle { get; }

    /// <summary>A session is open, its regions are mapped and its vectors armed; the device is as after a reset.</summary>
    public abstract void Begin(IPort port);

    /// <summary>A vector was heard; <paramref name="count"/> interrupts more.</summary>
    public virtual void Interrupted(int vector, long count)
    {
    }

    /// <summary>A command that an exercise of this device sent was answered.</summary>
    public virtual void Answered(object answer)
    {
    }

    /// <summary>The session is gone, and what was under way with it.</summary>
    public abstract void Lost();

    /// <summary>Cause nothing more; finish what is under way.</summary>
    public abstract void Stop();
}

/// <summary>What an exercise can do to its device. Commands are answered by <see cref="Exercise.Answered"/>, in order.</summary>
internal interface IPort
{
    /// <summary>What the session found.</summary>
    SessionInfo Info { get; }

    /// <summary>Vectors that are open, counted from 0.</summary>
    int Vectors { get; }

    /// <summary>What <see cref="Exercise.Regions"/> asked for.</summary>
    IReadOnlyList<MappedRegion> Regions { get; }

    void Read(int bar, ulong offset, int width);

    void Write(int bar, ulong offset, int width, ulong value);

    void Trigger(int vector, int times);
}

/// <summary>A DMA region that an exercise needs.</summary>
/// <param name="Size">Bytes.</param>
/// <param name="Iova">Where, for a device that cannot reach everything; null: anywhere.</param>
internal sealed record RegionWish(ulong Size, ulong? Iova = null);

/// <summary>A DMA region that is there.</summary>
internal sealed record MappedRegion(DmaMemory Memory, ulong Iova);
