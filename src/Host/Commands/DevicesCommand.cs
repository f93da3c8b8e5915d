using System.CommandLine;
using Riser.Actors.Backends;
using Riser.Host.Service;

namespace Riser.Host.Commands;

/// <summary><c>riser devices</c>: what is there, and what keeps it from being opened.</summary>
internal static class DevicesCommand
{
    public static Command Create()
    {
        var config = SharedOptions.Config();
        var command = new Command("devices", "Lists the devices of this node, and what keeps them from being opened.") { config };
        command.SetAction((parsed, cancellation) => RunAsync(parsed.GetValue(config), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(FileInfo? config, CancellationToken cancellation)
    {
        await using var node = await Node.StartAsync(config);
        var devices = await node.Runtime.ListAsync(cancellation);
        if (devices.Count == 0)
            await Console.Error.WriteLineAsync("No device was found. Bind one to vfio-pci or uio_pci_user, or configure simulated ones in riser.backends.sim.devices.");
        List<string[]> rows = [["DEVICE", "VENDOR:DEVICE", "CLASS", "GROUP", "CAN BE OPENED"], .. devices.Select(d => Row(d.Device))];
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length))];
        foreach (string[] row in devices.Count == 0 ? [] : rows)
            await Console.Out.WriteLineAsync(string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
        return ExitStatus.Success;
    }

    private static string[] Row(DeviceDescription device) =>
        [device.Id.ToString(), $"{device.VendorId:x4}:{device.ProductId:x4}", $"{device.ClassCode:x6}", device.Group ?? "-", device.Obstacle is null ? "yes" : $"no: {device.Obstacle}"];
}
