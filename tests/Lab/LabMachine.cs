namespace Riser.Lab;

/// <summary>The machine that tests/Lab/run boots, as a spec inside it sees it. README.md beside this file has the tables.</summary>
internal static class LabMachine
{
    public static string? WhyNotHere(bool needsIommu) =>
        Environment.GetEnvironmentVariable("RISER_LAB") != "1" ? "Runs only in the lab's virtual machine: make lab"
        : needsIommu && Environment.GetEnvironmentVariable("LAB_IOMMU") != "1" ? "This machine has no IOMMU (tests/Lab/run --no-iommu)"
        : null;

    /// <summary>The value of a variable that the lab sets, e.g. the PCI address in LAB_EDU.</summary>
    public static string Variable(string name) =>
        Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"The lab did not set {name}.");

    /// <summary>Where sysfs shows the PCI function whose address is in the variable.</summary>
    public static string Sysfs(string variable) => $"/sys/bus/pci/devices/{Variable(variable)}";

    /// <summary>The driver that holds the function; null without one.</summary>
    public static string? Driver(string variable) => LinkName($"{Sysfs(variable)}/driver");

    /// <summary>The number of the function's IOMMU group; null without an IOMMU.</summary>
    public static string? IommuGroup(string variable) => LinkName($"{Sysfs(variable)}/iommu_group");

    private static string? LinkName(string path) => Path.GetFileName(new DirectoryInfo(path).LinkTarget);
}
