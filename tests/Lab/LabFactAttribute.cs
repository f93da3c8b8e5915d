namespace Riser.Lab;

/// <summary>A fact about real devices: it runs inside the lab's machine and skips everywhere else.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LabFactAttribute : FactAttribute
{
    public LabFactAttribute() => Skip = LabMachine.WhyNotHere(needsIommu: false);

    /// <summary>Skips in a machine that was booted with --no-iommu.</summary>
    public bool NeedsIommu { get; init => Skip = LabMachine.WhyNotHere(field = value); }
}

/// <summary><see cref="LabFactAttribute"/>, for each of its data.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LabTheoryAttribute : TheoryAttribute
{
    public LabTheoryAttribute() => Skip = LabMachine.WhyNotHere(needsIommu: false);

    /// <summary>Skips in a machine that was booted with --no-iommu.</summary>
    public bool NeedsIommu { get; init => Skip = LabMachine.WhyNotHere(field = value); }
}
