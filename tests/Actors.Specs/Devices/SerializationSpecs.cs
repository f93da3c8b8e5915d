using System.Collections;
using System.Reflection;
using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interrupts;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Devices;

/// <summary>
/// Messages that may cross a node go through Akka.NET's own serializer and back, with <c>akka.actor.serialize-messages</c> on, which sends
/// every message that way; the others say that they never leave the process. Messages are found by reflection, so that a new one is tried as well.
/// </summary>
public sealed class SerializationSpecs(ITestOutputHelper output) : DeviceSpec(output, "akka.actor.serialize-messages = on")
{
    private const ulong Page = 4096;
    private static readonly Type[] s_protocols = [typeof(NodeProtocol), typeof(DeviceProtocol), typeof(DmaProtocol), typeof(InterruptProtocol)];
    private static readonly Type[] s_local = [typeof(Bar), typeof(DmaMemory), typeof(InterruptSignal), typeof(InterruptSet), typeof(VectorEventFd)];

    // They carry the command that they answer, which may be one that stays in the process.
    private static readonly Type[] s_asTheirCommand = [typeof(Refused), typeof(DeviceProtocol.SessionLost), typeof(DmaProtocol.SessionLost), typeof(InterruptProtocol.SessionLost)];

    private static IEnumerable<Type> Messages => s_protocols.SelectMany(p => p.GetNestedTypes()).Where(t => t is { IsInterface: false, IsAbstract: false }).Append(typeof(Refused));

    public static TheoryData<Type> Travellers => [.. Messages.Where(t => !IsMarked(t) || s_asTheirCommand.Contains(t))];

    [Fact]
    public async Task Device_works_from_open_to_close_when_every_message_is_serialized()
    {
        Open();
        Device.Tell(new DeviceProtocol.Watch(), TestActor);
        Assert.Equal(Simulation.Id, ExpectMsg<DeviceProtocol.Description>().Device.Id);
        Assert.Equal([Simulation.Id], (await Runtime.ListAsync()).Select(d => d.Device.Id));
        var region = Ask<DeviceProtocol.DmaRegionCreated>(new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(2 * Page), 0x10_0000)));
        region.Region.Tell(new DmaProtocol.Watch(), TestActor);
        Assert.Equal([region.Range], ExpectMsg<DmaProtocol.Description>().Ranges);
        region.Region.Tell(new DmaProtocol.AddPieces([new DmaProtocol.Piece(DmaMemory.Allocate(Page))]), TestActor);
        var added = ExpectMsg<DmaProtocol.PiecesAdded>().Ranges;
        region.Region.Tell(new DmaProtocol.RemovePieces([added[0]]), TestActor);
        Assert.Equal(added, FishForMessage<DmaProtocol.PiecesRemoved>(_ => true).Ranges);
        var vectors = FishAsk<DeviceProtocol.VectorsOpened>(new DeviceProtocol.OpenVectors(0, 3)).Vectors;
        var probe = Subscribe(vectors[2]);
        vectors[2].Tell(new InterruptProtocol.Trigger(5), TestActor);
        ExpectInterrupts(probe, 5);
        FishForMessage<InterruptProtocol.Triggered>(_ => true);
        vectors[2].Tell(new InterruptProtocol.SetAffinity([0]), TestActor);
        Assert.Equal([0], Assert.IsType<InterruptProtocol.SetAffinity>(FishForMessage<Refused>(_ => true).Command).Cpus);
        Simulation.HasAffinity = true;
        vectors[2].Tell(new InterruptProtocol.SetAffinity([0]), TestActor);
        Assert.Equal([0], FishForMessage<InterruptProtocol.AffinitySet>(_ => true).Cpus);

        Simulation.ReportError();

        Assert.Equal(SessionFailure.DeviceError, FishForMessage<DeviceProtocol.SessionLost>(_ => true).Failure);
        Assert.Equal(2, FishForMessage<DeviceProtocol.SessionReady>(_ => true).Epoch);
        region.Region.Tell(new DmaProtocol.Release(), TestActor);
        FishForMessage<DmaProtocol.Released>(_ => true);
        FishAsk<DeviceProtocol.Closed>(new DeviceProtocol.Close());
    }

    [Theory]
    [MemberData(nameof(Travellers))]
    public void Message_arrives_as_it_was_sent(Type type)
    {
        for (int variant = 0; variant < 3; variant++)
        {
            object message = Make(type, variant)!;
            var serializer = Sys.Serialization.FindSerializerFor(message);

            object arrived = serializer.FromBinary(serializer.ToBinary(message), type);

            Assert.Equal(Written(message), Written(arrived));
        }
    }

    [Fact]
    public void Message_that_carries_what_belongs_to_one_process_says_so()
    {
        Assert.DoesNotContain(Messages, t => Carries(t) && !IsMarked(t));
        Assert.Contains(typeof(DeviceProtocol.BarOpened), Messages.Where(Carries));
    }

    private T FishAsk<T>(object command)
    {
        Device.Tell(command, TestActor);
        return FishForMessage<T>(_ => true);
    }

    private static bool IsMarked(Type type) => type.IsAssignableTo(typeof(INoSerializationVerificationNeeded));

    private static bool Carries(Type type) =>
        s_local.Contains(type)
        || (type.IsGenericType && type.GetGenericArguments().Any(Carries))
        || (type.Namespace?.StartsWith("Riser", StringComparison.Ordinal) == true && type.GetConstructors().SelectMany(c => c.GetParameters()).Any(p => p.ParameterType != type && Carries(p.ParameterType)));

    // Variant 0 has nothing where there may be nothing, and the least elsewhere.
    private object? Make(Type type, int variant)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner)
            return variant == 0 ? null : Make(inner, variant);
        if (type == typeof(IActorRef))
            return variant == 0 ? ActorRefs.Nobody : TestActor;
        if (type == typeof(object))
            return variant == 0 ? new DeviceProtocol.Describe() : new DeviceProtocol.WriteBar(2, 8, 4, ulong.MaxValue);
        if (type == typeof(string))
            return variant == 0 ? "" : "why: \"ünïcode\"\n";
        if (type == typeof(bool))
            return variant != 0;
        if (type == typeof(TimeSpan))
            return TimeSpan.FromMilliseconds(variant * 1500);
        if (type == typeof(DeviceId))
            return DeviceId.Parse($"vfio:0000:0{variant}:10.0");
        if (type.IsEnum)
            return Enum.GetValues(type).Cast<object>().ElementAt(variant % Enum.GetValues(type).Length);
        if (type.IsPrimitive)
            return variant == 2 ? type.GetField(nameof(int.MaxValue))!.GetValue(null) : Convert.ChangeType(variant, type, System.Globalization.CultureInfo.InvariantCulture);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))
            return typeof(SerializationSpecs).GetMethod(nameof(List), BindingFlags.Instance | BindingFlags.NonPublic)!.MakeGenericMethod(type.GetGenericArguments()).Invoke(this, [variant]);
        var constructor = type.GetConstructors().OrderByDescending(c => c.GetParameters().Length).First();
        return constructor.Invoke([.. constructor.GetParameters().Select(p => Make(p.ParameterType, variant))]);
    }

    // As C# makes lists of "[...]": of none, of one, of several.
    private IReadOnlyList<T> List<T>(int variant)
    {
        T Item() => (T)Make(typeof(T), variant)!;
        return variant switch { 0 => [], 1 => [Item()], _ => [Item(), Item()] };
    }

    private static string Written(object? value) => value switch
    {
        null => "null",
        string or IActorRef or ValueType when value.GetType() is { IsPrimitive: true } or { IsEnum: true } || value is string or IActorRef or DeviceId or TimeSpan => $"{value}",
        IEnumerable items => $"[{string.Join(", ", items.Cast<object>().Select(Written))}]",
        _ when value.GetType().Name.StartsWith("ValueTuple", StringComparison.Ordinal) => $"{value}",
        _ => $"{value.GetType().Name} {{ {string.Join(", ", value.GetType().GetProperties().Where(p => p.GetIndexParameters().Length == 0).Select(p => $"{p.Name} = {Written(p.GetValue(value))}"))} }}",
    };
}
