namespace Riser.Lab.Specs;

/// <summary>A device of the lab in the hands of another driver, and of vfio-pci again at the end. The module is loaded at its first use.</summary>
internal sealed class UioBinding : IDisposable
{
    private const string Module = "uio_pci_user";

    public UioBinding(string name, string driver = Module)
    {
        Address = Lab.Address(name);
        Lab.Bind(Address, driver);
    }

    public string Address { get; }

    public string Node => $"/dev/{Module}/{Address}";

    /// <summary>As an administrator gives a device to a user without privilege.</summary>
    public UioBinding ForEveryone()
    {
        File.SetUnixFileMode(Node, (UnixFileMode)0x1b6); // rw-rw-rw-
        return this;
    }

    public void Dispose() => Lab.Bind(Address, "vfio-pci");
}
