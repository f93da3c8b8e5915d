namespace Riser.Benchmarks.Interrupts;

/// <summary>Signals a receiver's eventfds, by producer.c, and takes the figures of the turn.</summary>
internal static unsafe class Producer
{
    /// <exception cref="RefusalException">Signals were lost, or more arrived than were sent.</exception>
    public static Turn Run(Receiver receiver, Load load)
    {
        int[] fds = [.. receiver.EventFds.Select(e => e.Number)];
        receiver.Meter.Prepare(spin: !load.OneCore, load.Stamped, load.IsStream ? (fds.Length - 1, fds[^1]) : null);
        long[] elapsed = new long[load.IsStream ? 1 : load.Rounds];
        long events = load.IsStream ? load.Rounds + 1 : load.Rounds * fds.Length;
        long patience = (long)load.Patience.TotalNanoseconds;
        long producer = 0;
        long? bytes = receiver.Allocated();
        long cpu = receiver.Cpu(0);
        int result;
        fixed (int* first = fds)
        fixed (long* times = elapsed)
        {
            result = load.IsStream
                ? Floor.floor_stream(receiver.Meter.Block, first, fds.Length, load.Rounds, load.GapNs, patience, times, &producer)
                : Floor.floor_produce(receiver.Meter.Block, first, fds.Length, load.Rounds, load.GapNs, patience, times, &producer);
        }

        cpu = receiver.Cpu(producer) - cpu;
        bytes = receiver.Allocated() - bytes;
        if (result != 0)
            throw new RefusalException($"{receiver.Variant}, {load.Regime}: {receiver.Meter.Done} of {receiver.Meter.Target} signals were handled.");
        if (cpu <= 0)
            throw new RefusalException($"{receiver.Variant}, {load.Regime}: it has taken no CPU time, so it cannot have run.");
        double cpuPerEvent = cpu / (double)events;
        if (load.IsStream)
            return new(elapsed[0] / (double)events, P99: null, cpuPerEvent, bytes, events);
        Array.Sort(elapsed);
        return new(Statistics.Percentile(elapsed, 0.5), Statistics.Percentile(elapsed, 0.99), cpuPerEvent, bytes, events);
    }
}
