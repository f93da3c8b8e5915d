using System.Reflection;
using Akka.Actor;
using Akka.TestKit;
using FsCheck;
using FsCheck.Fluent;
using Riser.Actors.Backends;
using Riser.Actors.Devices;
using Riser.Actors.Dma;
using Riser.Actors.Interrupts;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Devices;

/// <summary>
/// Every public command with arguments that make no sense, whatever they are: it is answered; a refusal names errno, cause and fix
/// and leaves everything as it was; and no message ever costs the session. Commands are found by reflection, so that a new one is tried as well.
/// </summary>
public sealed class HostileMessagesSpecs(ITestOutputHelper output) : DeviceSpec(output, "akka.loglevel = OFF")
{
    private const ulong Page = 4096;
    private static readonly ulong[] s_iovas = [0, 1, Page - 1, Page, 0x10_0000, 0x20_0000, 0xfee0_0000, 0xfeef_f000, (1UL << 48) - Page, 1UL << 48, 1UL << 63, ulong.MaxValue - Page + 1, ulong.MaxValue];
    private static readonly int[] s_numbers = [int.MinValue, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 63, 64, 255, 256, 4092, 4095, 4096, 65536, int.MaxValue - 1, int.MaxValue];

    private TestProbe _owner = null!;
    private IActorRef _region = null!;
    private IReadOnlyList<IActorRef> _vectors = null!;

    [Fact]
    public void No_message_goes_unanswered_half_done_or_costs_the_session()
    {
        Begin();
        Prop.ForAll(Gen.Choose(int.MinValue, int.MaxValue).ToArbitrary(), seed => Say(new System.Random(seed)))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(500).WithQuietOnSuccess(true));

        // Nothing that was refused or released keeps an IOVA.
        Close();
        Begin();
        foreach (ulong iova in new[] { 0UL, Page, 0x20_0000UL, (1UL << 48) - Page })
            Assert.IsType<DeviceProtocol.DmaRegionCreated>(Answer(Device, new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(Page), iova))));
    }

    private void Begin()
    {
        _owner = CreateTestProbe();
        Device.Tell(new DeviceProtocol.Open(), _owner.Ref);
        _owner.ExpectMsg<DeviceProtocol.SessionReady>();
        _region = ((DeviceProtocol.DmaRegionCreated)Answer(Device, new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(2 * Page), 0x10_0000)))).Region;
        _vectors = ((DeviceProtocol.VectorsOpened)Answer(Device, new DeviceProtocol.OpenVectors(0, 4))).Vectors;
    }

    private void Close()
    {
        Device.Tell(new DeviceProtocol.Close(), _owner.Ref);
        _owner.FishForMessage(m => m is DeviceProtocol.Closed);
    }

    private void Say(System.Random random)
    {
        var (target, commands) = random.Next(4) switch
        {
            0 => (_region, typeof(DmaProtocol.ICommand)),
            1 => (_vectors[random.Next(_vectors.Count)], typeof(InterruptProtocol.ICommand)),
            _ => (Device, typeof(DeviceProtocol.ICommand)),
        };
        var types = commands.DeclaringType!.GetNestedTypes().Where(t => t.IsAssignableTo(commands) && !t.IsInterface).ToList();
        object command = Make(types[random.Next(types.Count)], random)!;
        var before = Snapshot();

        object answer = Answer(target, command);

        Assert.False(answer is DeviceProtocol.SessionLost or DmaProtocol.SessionLost or InterruptProtocol.SessionLost, $"{command} cost the session: {answer}");
        if (answer is Refused refused)
        {
            Assert.Equal(command, refused.Command);
            Assert.NotEqual(0, (int)refused.Errno);
            Assert.True(refused.Why.Length > 10 && refused.Fix.Length > 5, $"{command} is refused without a cause or a fix: {refused}");
            AwaitAssert(() => Assert.Equal(before, Snapshot()));
        }
        else if (answer is DmaProtocol.Released)
        {
            AwaitAssert(() => _region = ((DeviceProtocol.DmaRegionCreated)Answer(Device, new DeviceProtocol.CreateDmaRegion(new DmaRegionOptions(DmaMemory.Allocate(2 * Page), 0x10_0000)))).Region);
        }
        Assert.Equal(0, Describe().Restarts);
        if (answer is DeviceProtocol.Closed)
            Begin();
    }

    // From somebody new each time, so that nothing but the answer comes; what only the owner may say, from the owner.
    private object Answer(IActorRef target, object command)
    {
        var sender = command is DeviceProtocol.Close or DeviceProtocol.OpenBar ? _owner : CreateTestProbe();
        target.Tell(command, sender.Ref);
        object answer = sender.FishForMessage(m => m is not (InterruptSignal or InterruptSet), hint: $"an answer to {command}");
        if (command is DeviceProtocol.TakeOver && answer is DeviceProtocol.SessionReady)
            _owner = sender;
        else if (!sender.Equals(_owner))
            Sys.Stop(sender.Ref);
        return answer;
    }

    private string Snapshot()
    {
        var now = Describe();
        return $"{now.State} {now.Epoch} {now.Restarts} {now.Owner} {now.Counts.Vectors} {now.Counts.DmaRegions} {now.Counts.LockedBytes} "
            + string.Join(' ', Simulation.Mappings.Select(m => $"{m.Range}{m.Host}{m.Access}").Order(StringComparer.Ordinal));
    }

    private static object? Make(Type type, System.Random random)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner)
            return random.Next(3) == 0 ? null : Make(inner, random);
        if (type == typeof(int))
            return random.Next(4) == 0 ? random.Next() : s_numbers[random.Next(s_numbers.Length)];
        if (type == typeof(ulong))
            return random.Next(4) == 0 ? (ulong)random.NextInt64() : s_iovas[random.Next(s_iovas.Length)];
        if (type == typeof(long))
            return random.NextInt64(-3, 3);
        if (type == typeof(bool))
            return random.Next(2) == 0;
        if (type == typeof(string))
            return "nonsense";
        if (type.IsEnum)
            return Enum.ToObject(type, random.Next(6) == 0 ? 77 : random.Next(4));
        if (type == typeof(IActorRef))
            return random.Next(3) == 0 ? ActorRefs.Nobody : null;
        if (type == typeof(DmaMemory))
            return Memory(random);
        if (type == typeof(IovaRange))
            return random.Next(3) == 0 ? new IovaRange(0x10_0000, 2 * Page) : new IovaRange((ulong)Make(typeof(ulong), random)!, (ulong)Make(typeof(ulong), random)!);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))
            return random.Next(6) == 0 ? null : List(type.GetGenericArguments()[0], random);
        if (type.IsValueType && random.Next(4) == 0)
            return Activator.CreateInstance(type);
        if (!type.Namespace!.StartsWith("Riser", StringComparison.Ordinal))
            throw new NotSupportedException($"Say here how to make a {type}.");
        if (!type.IsValueType && !type.IsAssignableTo(typeof(DeviceProtocol.ICommand)) && !type.IsAssignableTo(typeof(DmaProtocol.ICommand)) && !type.IsAssignableTo(typeof(InterruptProtocol.ICommand)) && random.Next(6) == 0)
            return null;
        var constructor = type.GetConstructors().OrderByDescending(c => c.GetParameters().Length).First();
        try
        {
            return constructor.Invoke([.. constructor.GetParameters().Select(p => Make(p.ParameterType, random))]);
        }
        catch (TargetInvocationException refused) when (refused.InnerException is ArgumentException && !type.IsAssignableTo(typeof(InterruptProtocol.ICommand)))
        {
            return null; // it does not even come into being
        }
    }

    private static Array List(Type item, System.Random random)
    {
        var list = Array.CreateInstance(item, random.Next(4));
        for (int i = 0; i < list.Length; i++)
            list.SetValue(Make(item, random), i);
        return list;
    }

    private static DmaMemory? Memory(System.Random random)
    {
        switch (random.Next(6))
        {
            case 0:
                return null;
            case 1:
                return DmaMemory.FromRange(new((ulong)random.Next(1, 1 << 20) * Page, (ulong)random.Next(1, 4) * Page)); // nothing is mapped there
            case 2:
                var given = DmaMemory.Allocate(Page);
                given.Dispose();
                return given;
            default:
                return DmaMemory.Allocate((ulong)random.Next(1, 3) * Page, random.Next(4) == 0 ? DmaMemoryKind.Shared : DmaMemoryKind.Normal);
        }
    }
}
