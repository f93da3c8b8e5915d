using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Riser.Actors.Backends;

/// <summary>
/// Names one device for the whole node: <c>&lt;backend&gt;:&lt;address&gt;</c>, e.g. <c>vfio:0000:00:10.0</c> or
/// <c>sim:pony0</c>. The address is the backend's own; for hardware it is domain:bus:device.function in hexadecimal. Serializers
/// and binders that look for a type converter take it as that text.
/// </summary>
[TypeConverter(typeof(Text))]
public readonly record struct DeviceId
{
    private DeviceId(string backend, string address)
    {
        Backend = backend;
        Address = address;
    }

    /// <summary>The backend's name, lower case: <c>sim</c>, <c>vfio</c>, <c>uio</c>.</summary>
    public string Backend { get; }

    /// <summary>What the backend calls the device.</summary>
    public string Address { get; }

    /// <summary>A name that is allowed in an actor path and stays the same for the device's whole life.</summary>
    internal string ActorName => $"device-{Backend}-{Address.Replace(':', '-')}";

    /// <exception cref="FormatException">The text is not <c>backend:address</c>; the message says what is wrong.</exception>
    public static DeviceId Parse(string text) => TryParse(text, out var id)
        ? id
        : throw new FormatException($"'{text}' is not a device id. Write <backend>:<address>, e.g. sim:pony0 or vfio:0000:00:10.0.");

    /// <summary>Reads <c>backend:address</c>: a lower-case backend name, a colon, and an address of letters, digits, '.', ':', '_' or '-'.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out DeviceId id)
    {
        id = default;
        int colon = text?.IndexOf(':') ?? -1;
        if (colon < 1 || colon == text!.Length - 1)
            return false;
        string backend = text[..colon], address = text[(colon + 1)..];
        if (!backend.All(c => char.IsAsciiLetterLower(c) || c == '-') || !address.All(IsAddressCharacter))
            return false;
        id = new(backend, address);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Backend}:{Address}";

    private static bool IsAddressCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or ':' or '_' or '-';

    /// <summary>To text and back; the empty text is no device at all, the default value.</summary>
    private sealed class Text : TypeConverter
    {
        public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

        public override bool CanConvertTo(ITypeDescriptorContext? context, Type? destinationType) => destinationType == typeof(string);

        public override object ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value) =>
            value is string { Length: > 0 } text ? Parse(text) : default(DeviceId);

        public override object ConvertTo(ITypeDescriptorContext? context, CultureInfo? culture, object? value, Type destinationType) =>
            value is DeviceId { Backend.Length: > 0 } id ? id.ToString() : string.Empty;
    }
}
