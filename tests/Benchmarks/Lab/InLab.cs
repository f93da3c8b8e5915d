namespace Riser.Benchmarks.Lab;

/// <summary>
/// A benchmark that needs real PCI devices: it runs in the lab's virtual machine, where the suite is started once more.
/// All that were chosen run in one boot.
/// </summary>
internal sealed class InLab(IBenchmark inside) : IBenchmark
{
    public string Name => inside.Name;

    public string What => inside.What;

    /// <summary>In the machine itself, the benchmark; everywhere else a boot of the machine for it alone.</summary>
    public Task<IReadOnlyList<Row>> RunAsync(Scope scope) => LabMachine.IsThis ? inside.RunAsync(scope) : LabMachine.RunAsync([Name], scope);
}
