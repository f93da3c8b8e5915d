using System.Globalization;
using System.Runtime.InteropServices;
using Akka.Actor;

namespace Riser.Benchmarks.Reporting;

/// <summary>Where it was measured.</summary>
/// <param name="Processor">As the kernel names it.</param>
/// <param name="Processors">How many this process may use.</param>
/// <param name="Kernel">Its release.</param>
/// <param name="Runtime">.NET.</param>
/// <param name="Akka">Akka.NET.</param>
/// <param name="Compiler">Of the floor.</param>
/// <param name="LoadBefore">Load average of the minute before the run: above 0.5 somebody else was at work.</param>
internal sealed record Machine(string Processor, int Processors, string Kernel, string Runtime, string Akka, string Compiler, double LoadBefore)
{
    public static Machine Describe(double loadBefore) => new(
        File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim()
            ?? RuntimeInformation.OSArchitecture.ToString(),
        Environment.ProcessorCount,
        $"Linux {File.ReadAllText("/proc/sys/kernel/osrelease").Trim()}",
        RuntimeInformation.FrameworkDescription,
        $"Akka.NET {typeof(ActorSystem).Assembly.GetName().Version?.ToString(3)}",
        Floor.Compiler,
        loadBefore);

    public static double Load() => double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture);

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Processor}, {Processors} processors, {Kernel}; {Runtime}, {Akka}; {Compiler}; load average before the run {LoadBefore:0.00}");
}
