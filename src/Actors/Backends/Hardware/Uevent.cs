using System.Text;

namespace Riser.Actors.Backends.Hardware;

/// <summary>What the kernel announces of a PCI function.</summary>
/// <param name="Action">add, remove, bind, unbind, change, …</param>
/// <param name="Address">domain:bus:device.function.</param>
internal sealed record Uevent(string Action, string Address)
{
    /// <summary>Reads <c>action@path</c> and its NUL-separated variables; null when it is not about a PCI function.</summary>
    public static Uevent? Parse(ReadOnlySpan<byte> message)
    {
        string? action = null, subsystem = null, address = null;
        foreach (string line in Encoding.UTF8.GetString(message).Split('\0'))
        {
            switch (line.Split('=', 2))
            {
                case ["ACTION", var value]: action = value; break;
                case ["SUBSYSTEM", var value]: subsystem = value; break;
                case ["PCI_SLOT_NAME", var value]: address = value; break;
                default: break;
            }
        }

        return action is not null && subsystem == "pci" && address is not null && PciSysfs.IsAddress(address) ? new(action, address) : null;
    }
}
