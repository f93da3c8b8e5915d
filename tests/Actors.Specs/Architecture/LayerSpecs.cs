using System.Reflection;
using System.Text.RegularExpressions;
using ArchUnitNET.Domain;
using ArchUnitNET.Loader;
using ArchUnitNET.xUnit;
using static ArchUnitNET.Fluent.ArchRuleDefinition;

namespace Riser.Actors.Specs.Architecture;

/// <summary>Arrows point one way, and nothing outside its room touches raw memory.</summary>
public sealed partial class LayerSpecs
{
    private static readonly ArchUnitNET.Domain.Architecture s_library = new ArchLoader().LoadAssemblies(typeof(DeviceRuntime).Assembly).Build();

    // What a folder may not know: everything above it.
    public static TheoryData<string, string> Arrows => new()
    {
        { "Interop", "Reactor|Backends|ConfigSpace|Dma|Interrupts|Devices|Pools" },
        { "Reactor", "Backends|ConfigSpace|Dma|Interrupts|Devices|Pools" },
        { "ConfigSpace", "Dma|Interrupts|Devices|Pools" },
        { "Backends", "Dma|Interrupts|Devices|Pools" },
        { "Dma", "Interrupts|Devices|Pools" },
        { "Interrupts", "Dma|Devices|Pools" },
        { "Devices", "Pools" },
    };

    [Theory]
    [MemberData(nameof(Arrows))]
    public void A_folder_knows_nothing_above_it(string folder, string above) =>
        Types().That().ResideInNamespaceMatching($@"^Riser\.Actors\.{folder}(\.|$)")
            .Should().NotDependOnAny(Types().That().ResideInNamespaceMatching($@"^Riser\.Actors\.({above})(\.|$)").As(above))
            .WithoutRequiringPositiveResults()
            .Check(s_library);

    [Fact]
    public void Unsafe_code_is_in_its_room()
    {
        string sources = Path.Combine(Root, "src", "Actors");
        string[] offenders = [.. Directory.EnumerateFiles(sources, "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.StartsWith(Path.Combine(sources, "Interop"), StringComparison.Ordinal) && Path.GetFileName(file) != "Bar.cs")
            .Where(file => UnsafeKeyword().IsMatch(File.ReadAllText(file)))
            .Select(file => Path.GetRelativePath(Root, file))];
        Assert.Empty(offenders);
    }

    [Fact]
    public void No_public_member_shows_a_pointer_or_a_native_handle()
    {
        const BindingFlags Declared = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        var members =
            from type in typeof(DeviceRuntime).Assembly.GetExportedTypes()
            from member in type.GetMembers(Declared)
            let seen = member switch
            {
                MethodInfo method => [.. method.GetParameters().Select(p => p.ParameterType), method.ReturnType],
                ConstructorInfo constructor => [.. constructor.GetParameters().Select(p => p.ParameterType)],
                PropertyInfo property => new[] { property.PropertyType },
                FieldInfo field => [field.FieldType],
                _ => [],
            }
            where seen.Any(t => t.IsPointer || t == typeof(nint) || t == typeof(nuint) || typeof(System.Runtime.InteropServices.SafeHandle).IsAssignableFrom(t))
            select $"{type.Name}.{member.Name}";
        Assert.Empty(members);
    }

    [Fact]
    public void Every_message_is_a_sealed_record_nested_in_a_protocol()
    {
        var protocols = typeof(DeviceRuntime).Assembly.GetTypes().Where(t => t.Name.EndsWith("Protocol", StringComparison.Ordinal));
        Assert.NotEmpty(protocols);
        foreach (var message in protocols.SelectMany(p => p.GetNestedTypes()).Where(t => t.IsClass))
        {
            Assert.True(message.IsSealed, $"{message} is not sealed");
            Assert.NotNull(message.GetMethod("<Clone>$")); // what the compiler gives a record class
        }
    }

    [Fact]
    public void Every_actor_is_internal_and_sealed()
    {
        foreach (var actor in typeof(DeviceRuntime).Assembly.GetTypes().Where(typeof(Akka.Actor.ActorBase).IsAssignableFrom))
        {
            Assert.True(actor.IsSealed, $"{actor} is not sealed");
            Assert.False(actor.IsVisible, $"{actor} is public");
        }
    }

    internal static string Root
    {
        get
        {
            string? folder = AppContext.BaseDirectory;
            while (folder is not null && !File.Exists(Path.Combine(folder, "Actors.sln")))
                folder = Path.GetDirectoryName(folder);
            return folder ?? throw new InvalidOperationException("These specs run inside the checkout.");
        }
    }

    [GeneratedRegex(@"^\s*[^/\n]*\bunsafe\b", RegexOptions.Multiline | RegexOptions.NonBacktracking)]
    private static partial Regex UnsafeKeyword();
}
