namespace Riser.Benchmarks.Interrupts;

/// <summary>Signals a receiver's eventfds, by producer.c, and takes the figures of the turn.</summary>
internal static unsafe class Producer
{
    /// <exception cref="RefusalException">Signals were lost, or more arrived than were sent.</exception>
    public static Turn Run(Receiver receiver, Load load)
    {
        receiver.Meter.Prepare(spin: !load.OneCore, load.Stamped);
        int[] fds = [.. receiver.EventFds.Select(e => e.Number)];
        long[] elapsed = new long[load.Rounds];
        long producer = 0;
        long? bytes = receiver.Allocated();
        long cpu = receiver.Cpu(0);
        int result;
        fixed (int* first = fds)
        fixed (long* times = elapsed)
            result = Floor.floor_produce(receiver.Meter.Block, first, fds.Length, load.Rounds, load.GapNs, times, &producer);
        cpu = receiver.Cpu(producer) - cpu;
        bytes = receiver.Allocated() - bytes;
        if (result != 0)
            throw new RefusalException($"{receiver.Variant}, {load.Regime}: {receiver.Meter.Done} of {receiver.Meter.Target} signals were handled.");
        Array.Sort(elapsed);
        long events = load.Rounds * fds.Length;
        return new(Statistics.Percentile(elapsed, 0.5), Statistics.Percentile(elapsed, 0.99), cpu / (double)events, bytes, events);
    }
}
