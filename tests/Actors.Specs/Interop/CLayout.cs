using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;

namespace Riser.Actors.Specs.Interop;

/// <summary>
/// Writes what C# believes of C as C that only compiles when it is true: sizes and offsets of structures as the runtime
/// really lays them out, and values of constants.
/// </summary>
internal sealed class CLayout
{
    private readonly StringBuilder _source = new("#define _GNU_SOURCE\n#include <stddef.h>\n");

    public CLayout(params IEnumerable<string> headers)
    {
        foreach (string header in headers)
            _source.Append(CultureInfo.InvariantCulture, $"#include {(Path.IsPathRooted(header) ? $"\"{header}\"" : $"<{header}>")}\n");
    }

    /// <summary>
    /// The structure has this size, and every field its offset and size. One that begins with <c>argsz</c> may be longer in C:
    /// the kernel goes by what the caller says.
    /// </summary>
    /// <param name="type">The C# structure; its fields are called as in C.</param>
    /// <param name="name">The structure's name in C, when it is another one than the type's.</param>
    /// <param name="fields">C# field name to the C member's path, where they differ.</param>
    public CLayout Struct(Type type, string? name = null, IReadOnlyDictionary<string, string>? fields = null)
    {
        string c = $"struct {name ?? type.Name}";
        bool grows = false;
        long end = 0;
        foreach (var field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
        {
            string member = fields?.GetValueOrDefault(field.Name) ?? field.Name;
            long offset = (long)Marshal.OffsetOf(type, field.Name);
            int size = SizeOf(field.FieldType);
            grows |= member == "argsz";
            end = Math.Max(end, offset + size);
            Assert($"offsetof({c}, {member}) == {offset}", $"{type.Name}.{field.Name} is at byte {offset} in C#");
            Assert($"sizeof((({c} *)0)->{member}) == {size}", $"{type.Name}.{field.Name} has {size} bytes in C#");
        }

        int total = SizeOf(type);
        Assert(grows ? $"sizeof({c}) >= {end}" : $"sizeof({c}) == {total}", $"{type.Name} has {total} bytes in C#");
        return this;
    }

    /// <summary>The macro or enumerator has this value.</summary>
    public CLayout Constant(string name, object value)
    {
        ulong bits = value is ulong or uint or ushort or byte
            ? Convert.ToUInt64(value, CultureInfo.InvariantCulture)
            : (ulong)Convert.ToInt64(value, CultureInfo.InvariantCulture);
        Assert($"(unsigned long long)({name}) == 0x{bits:x}ULL", $"{name} is 0x{bits:x} in C#");
        return this;
    }

    /// <summary>What the compiler says against it; empty when all is true.</summary>
    public string Compile()
    {
        var start = new System.Diagnostics.ProcessStartInfo("gcc")
        {
            ArgumentList = { "-x", "c", "-std=gnu11", "-fsyntax-only", "-fmax-errors=0", "-" },
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardError = true,
        };
        using var gcc = System.Diagnostics.Process.Start(start)!;
        var errors = gcc.StandardError.ReadToEndAsync();
        gcc.StandardInput.Write(_source);
        gcc.StandardInput.Close();
        gcc.WaitForExit();
        string said = errors.GetAwaiter().GetResult();
        return gcc.ExitCode == 0 ? "" : said;
    }

    /// <summary>Whether there is a C compiler here.</summary>
    public static bool HasCompiler => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "gcc")));

    private void Assert(string condition, string otherwise) => _source.Append(CultureInfo.InvariantCulture, $"_Static_assert({condition}, \"{otherwise}\");\n");

    private static int SizeOf(Type type) => (int)typeof(System.Runtime.CompilerServices.Unsafe)
        .GetMethod(nameof(System.Runtime.CompilerServices.Unsafe.SizeOf))!.MakeGenericMethod(type).Invoke(null, null)!;
}
