using Riser.Actors.Backends.Hardware;
using Riser.Actors.Backends.Vfio;

namespace Riser.Actors.Specs.Backends.Hardware;

public sealed class MemlockSpecs
{
    private const string Status = "Name:\triser\nVmPeak:\t  100 kB\nVmLck:\t      64 kB\nVmPin:\t       8 kB\nCapEff:\t0000000000000000\n";

    [Fact]
    public void Status_of_a_process_is_read() => Assert.Equal(new(64 * 1024, 8 * 1024, 8192, false), Memlock.Parse(Status, 8192));

    [Fact]
    public void CAP_IPC_LOCK_exempts() =>
        Assert.Null(Memlock.Parse(Status.Replace("CapEff:\t0000000000000000", "CapEff:\t0000000000004000", StringComparison.Ordinal), 0).Refusal(1 << 30));

    [Theory]
    [InlineData(0UL, 4096UL, true)]
    [InlineData(4096UL, 4096UL, false)]
    [InlineData(0UL, 4097UL, false)]
    [InlineData(8192UL, 1UL, false)]
    [InlineData(0UL, ulong.MaxValue, false)]
    public void Refusal_comes_exactly_over_the_limit(ulong locked, ulong bytes, bool fits) =>
        Assert.Equal(fits, new Memlock(locked, 0, 4096, false).Refusal(bytes) is null);

    [Fact]
    public void No_limit_refuses_nothing() => Assert.Null(new Memlock(1, 0, null, false).Refusal(1UL << 50));

    [Fact]
    public void Refusal_says_needed_against_allowed_and_the_fix()
    {
        var refused = new Memlock(65536, 0, 65536, false).Refusal(1 << 20)!;

        Assert.Equal(Errno.ENOMEM, refused.Errno);
        Assert.Contains("needed 1114112 (65536 locked now), allowed 65536", refused.Why);
        Assert.Contains("ulimit -l 1088", refused.Fix);
        Assert.Contains("CAP_IPC_LOCK", refused.Fix);
    }

    [Fact]
    public void Now_reads_this_process() => Assert.NotNull(Memlock.Now());
}
