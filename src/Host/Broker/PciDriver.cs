namespace Riser.Host.Broker;

/// <summary>Binds functions to drivers through sysfs. Each write may block for as long as the driver takes.</summary>
internal sealed class PciDriver(string sysfs)
{
    public bool IsLoaded(string driver) => Directory.Exists(DriverPath(driver));

    /// <summary>driver_override of a function; null: none.</summary>
    public string? Override(string address) =>
        File.ReadAllText(Path.Combine(DevicePath(address), "driver_override")).Trim() is { Length: > 0 } text and not "(null)" ? text : null;

    /// <summary>Lets only one driver take a function; null: any that knows it.</summary>
    public void SetOverride(string address, string? driver) => Write(Path.Combine(DevicePath(address), "driver_override"), driver ?? "\n");

    /// <summary>Takes a function from its driver; nothing happens when it has none.</summary>
    public void Unbind(string address)
    {
        string unbind = Path.Combine(DevicePath(address), "driver", "unbind");
        if (File.Exists(unbind))
            Write(unbind, address);
    }

    /// <summary>Gives a function to a driver that is loaded.</summary>
    /// <exception cref="IOException">The driver does not take it.</exception>
    public void Bind(string address, string driver) => Write(Path.Combine(DriverPath(driver), "bind"), address);

    public string DevicePath(string address) => Path.Combine(sysfs, "bus/pci/devices", address);

    private string DriverPath(string driver) => Path.Combine(sysfs, "bus/pci/drivers", driver);

    // An attribute takes one write(2), and is neither made nor cut short.
    private static void Write(string path, string text)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        file.Write(System.Text.Encoding.ASCII.GetBytes(text));
    }
}
