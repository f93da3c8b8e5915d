using System.Diagnostics;
using Akka.Actor;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Xunit.Abstractions;

namespace Riser.Soak.Specs;

/// <summary>A session that is lost takes everything along that was its own.</summary>
public sealed class SessionSoakSpecs(ITestOutputHelper output) : SoakSpec(output, "riser.backends.sim.devices.pony.vectors = 64")
{
    // 64 vectors; and a few each of the reactor, the session and the memory watch, 8 where this was written. One a session would be hundreds.
    private const int MostDescriptors = 64 + 32;

    [Fact]
    public void Lost_sessions_leave_no_descriptor_no_thread_and_no_mapping_behind()
    {
        int restarts = Soak.Length(full: 10_000, brief: 200);
        var device = Open("pony");
        Ask<DeviceProtocol.VectorsOpened>(device, new DeviceProtocol.OpenVectors(0, 64));
        for (int i = 0; i < 16; i++)
            Region(device, DmaMemory.Allocate(Page));
        for (int i = 0; i < 20; i++)
            Restart("pony"); // whatever is made once is made
        int threads = Threads(), mapped = Mapped();
        long begun = Stopwatch.GetTimestamp();

        for (int i = 0; i < restarts; i++)
            Restart("pony");

        double seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        // Not compared with what was there before: a node of another spec may have been on its way out.
        AwaitAssert(() => Assert.InRange(Descriptors(), 64, MostDescriptors), TimeSpan.FromSeconds(60));
        // The thread pool and the session dispatcher start threads as they are needed; one a session would be hundreds.
        AwaitAssert(() => Assert.True(Threads() <= threads + 16, $"{Threads()} threads, {threads} before"), TimeSpan.FromSeconds(60));
        AwaitAssert(() => Assert.True(Mapped() <= mapped + 200, $"{Mapped()} mappings, {mapped} before"), TimeSpan.FromSeconds(60));
        Assert.Equal(restarts + 20, Describe(device).Restarts);
        Assert.Equal(1, Simulation("pony").OpenSessions);
        Soak.Tell($"no descriptor or thread leaks: {restarts:N0} restarts with 64 vectors and 16 regions: {Descriptors()} descriptors of its own, threads {Threads() - threads:+0;-0;0}, {seconds:F0} s");
    }

    // Ours: eventfds, epoll, memory files, userfaultfd. What the test's own host opens meanwhile is not counted, and what it closes meanwhile has no target.
    private static int Descriptors() => Directory.GetFiles("/proc/self/fd").Count(fd =>
        new FileInfo(fd).LinkTarget is { } target && (target.Contains("anon_inode", StringComparison.Ordinal) || target.Contains("memfd", StringComparison.Ordinal)
            || target.Contains("[event", StringComparison.Ordinal) || target.Contains("userfaultfd", StringComparison.Ordinal)));

    private static int Threads() => Directory.GetDirectories("/proc/self/task").Length;

    private static int Mapped() => File.ReadLines("/proc/self/maps").Count();
}
