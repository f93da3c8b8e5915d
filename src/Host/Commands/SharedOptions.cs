using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Riser.Actors.Backends;

namespace Riser.Host.Commands;

/// <summary>Options that more than one command has, and how their values are read.</summary>
internal static class SharedOptions
{
    public static Option<FileInfo?> Config() => new("--config")
    {
        Description = "A HOCON file; what it leaves out is as in reference.conf. Default: two simulated devices.",
        HelpName = "FILE",
    };

    public static Option<DeviceId[]> Devices() => new("--device")
    {
        Description = "A device to run, e.g. sim:pony0 or vfio:0000:00:10.0; may be repeated. Default: every simulated device.",
        HelpName = "ID",
        DefaultValueFactory = _ => [],
        CustomParser = ReadDevices,
    };

    public static Option<TimeSpan?> For() => new("--for")
    {
        Description = "How long to run, e.g. 500ms, 5s, 1m or 2h. Default: until Ctrl-C or SIGTERM.",
        HelpName = "DURATION",
        CustomParser = ReadDuration,
    };

    private static DeviceId[] ReadDevices(ArgumentResult result)
    {
        List<DeviceId> devices = [];
        foreach (var token in result.Tokens)
        {
            if (DeviceId.TryParse(token.Value, out var device))
                devices.Add(device);
            else
                result.AddError($"'{token.Value}' is not a device id. Write <backend>:<address>, e.g. sim:pony0 or vfio:0000:00:10.0.");
        }
        return [.. devices];
    }

    private static TimeSpan? ReadDuration(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        if (Duration(text) is { } duration)
            return duration;
        result.AddError($"'{text}' is not a duration. Write a number above 0 with ms, s, m or h, e.g. 500ms, 5s or 1m.");
        return null;
    }

    internal static TimeSpan? Duration(string text)
    {
        string unit = new([.. text.SkipWhile(c => char.IsAsciiDigit(c) || c == '.')]);
        double? seconds = unit switch { "ms" => 0.001, "s" => 1, "m" => 60, "h" => 3600, _ => null };
        if (seconds is not { } scale || !double.TryParse(text[..^unit.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number))
            return null;
        double total = number * scale;
        return total is >= 0.001 and <= 1e9 ? TimeSpan.FromSeconds(total) : null;
    }
}
