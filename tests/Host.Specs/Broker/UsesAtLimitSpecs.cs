using Riser.Actors.Interop;
using Riser.Actors.Specs.Backends.Hardware;
using Riser.Actors.Specs.Interop;
using Riser.Host.Broker;

namespace Riser.Host.Specs.Broker;

/// <summary>A broker that may open no more files cannot see what is in use, and must not take it for free.</summary>
[Collection(nameof(Alone))]
public sealed class UsesAtLimitSpecs : IDisposable
{
    private readonly FakeSysfs _machine = new();

    [CollectionDefinition(nameof(Alone), DisableParallelization = true)]
    public sealed class Alone;

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Nothing_is_taken_for_unused_at_the_limit_of_open_files()
    {
        var uses = new Uses(_machine.Root, Path.Combine(_machine.Root, "proc"), Path.Combine(_machine.Root, "dev"));
        var function = BrokerExample.Function("0000:01:00.0");
        _machine.Add(function.Address);
        string path = Directory.CreateDirectory(Path.Combine(_machine.Root, "devices/pci0000:00", function.Address, "net/spec0")).FullName;
        File.WriteAllText(Path.Combine(path, "flags"), "0x1003\n");
        Directory.CreateDirectory(Path.Combine(_machine.Root, "class/net"));
        File.CreateSymbolicLink(Path.Combine(_machine.Root, "class/net/spec0"), path);
        Assert.NotEmpty(uses.Of(function));
        Exception? refusal;

        using (new FileLimit(FileLimit.LowestFree))
            refusal = Record.Exception(() => uses.Of(function));

        Assert.Equal(Errno.EMFILE, BrokerService.Failure(Assert.IsAssignableFrom<IOException>(refusal)).Errno);
    }

    [Fact]
    public void Nobody_is_taken_to_have_nothing_open_at_the_limit_of_open_files()
    {
        var processes = new Processes("/proc");
        processes.With("/dev/null");
        Exception? refusal;

        using (new FileLimit(FileLimit.LowestFree))
            refusal = Record.Exception(() => processes.With("/dev/null"));

        var told = BrokerService.Failure(Assert.IsType<NativeException>(refusal));
        Assert.Equal(Errno.EMFILE, told.Errno);
        Assert.Contains("ulimit -n", told.Fix, StringComparison.Ordinal);
    }
}
