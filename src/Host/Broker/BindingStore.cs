using System.Text.Json;
using System.Text.Json.Serialization;

namespace Riser.Host.Broker;

/// <summary>What a function was bound to before the broker bound it to something else.</summary>
/// <param name="Id">Vendor and device, as <c>8086:10c9</c>: another card in the same slot is not given that one's driver.</param>
/// <param name="Driver">Null: none.</param>
/// <param name="Override">Its driver_override; null: none.</param>
internal sealed record FormerBinding(string Id, string? Driver, string? Override);

/// <summary>Remembers bindings by address in a file that is always whole: written beside it, then put in its place. For one thread at a time.</summary>
internal sealed class BindingStore(string path)
{
    /// <exception cref="IOException">It cannot be read, or is not what was written.</exception>
    public IReadOnlyDictionary<string, FormerBinding> Read()
    {
        try
        {
            using var file = File.OpenRead(path);
            return JsonSerializer.Deserialize(file, BindingJson.Default.SortedDictionaryStringFormerBinding) ?? [];
        }
        catch (Exception none) when (none is FileNotFoundException or DirectoryNotFoundException)
        {
            return new Dictionary<string, FormerBinding>(StringComparer.Ordinal);
        }
        catch (JsonException rubbish)
        {
            throw new IOException($"{path} is not what the broker wrote: {rubbish.Message}", rubbish);
        }
    }

    /// <exception cref="IOException">It cannot be written; then it is as it was.</exception>
    public void Write(IEnumerable<KeyValuePair<string, FormerBinding>> bindings)
    {
        if (Path.GetDirectoryName(path) is { Length: > 0 } folder)
            Directory.CreateDirectory(folder);
        string fresh = $"{path}.new";
        using (var file = new FileStream(fresh, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
        {
            JsonSerializer.Serialize(file, new SortedDictionary<string, FormerBinding>(bindings.ToDictionary(), StringComparer.Ordinal), BindingJson.Default.SortedDictionaryStringFormerBinding);
            file.Flush(flushToDisk: true);
        }
        File.Move(fresh, path, overwrite: true);
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(SortedDictionary<string, FormerBinding>))]
internal sealed partial class BindingJson : JsonSerializerContext;
