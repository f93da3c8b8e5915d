using Riser.Actors.Backends;
using Riser.Actors.Backends.Hardware;
using Riser.Actors.Specs.Interop;
using Riser.Actors.Specs.Reactor;

namespace Riser.Actors.Specs.Backends.Hardware;

[Collection(nameof(ReactorStressSpecs.Alone))]
public sealed class PciSysfsSpecs : IDisposable
{
    private const string Address = "0000:01:00.0";

    private readonly FakeSysfs _tree = new();
    private readonly PciSysfs _sysfs;

    public PciSysfsSpecs()
    {
        _tree.Add(Address).Add("0000:01:00.1");
        _sysfs = new(_tree.Root);
    }

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void What_is_not_there_is_not_found()
    {
        _tree.Remove(Address);

        Assert.Null(_sysfs.Find(Address));
        Assert.Equal(["0000:01:00.1"], _sysfs.OfGroup("7").Select(f => f.Address));
        Assert.Empty(_sysfs.OfGroup("8"));
        Assert.Empty(new PciSysfs("/nowhere").All());
    }

    /// <summary>Where nothing can be read, a function is not gone, and a group has no fewer members.</summary>
    [Fact]
    public void At_the_limit_of_open_files_nothing_is_said_of_what_is_there()
    {
        Func<object?>[] readings = [() => _sysfs.Find(Address), () => _sysfs.OfGroup("7"), () => _sysfs.All(), () => _sysfs.VirtualOf(Address)];
        Array.ForEach(readings, read => read()); // what .NET loads at the first call needs descriptors of its own
        List<Exception?> refusals;

        using (new FileLimit(FileLimit.LowestFree))
            refusals = [.. readings.Select(Record.Exception)];

        Assert.All(refusals, refusal => Assert.Equal(Errno.EMFILE, Assert.IsType<PciException>(refusal).Errno));
    }
}
