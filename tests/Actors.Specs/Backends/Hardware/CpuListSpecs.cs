using Riser.Actors.Backends.Hardware;

namespace Riser.Actors.Specs.Backends.Hardware;

public sealed class CpuListSpecs
{
    [Theory]
    [InlineData("0", new[] { 1, 4000 })]
    [InlineData("0-1\n", new[] { 4000 })]
    [InlineData("0,2-5\n", new[] { 1, 4000 })]
    [InlineData("0-4000", new int[0])]
    [InlineData("\n", new[] { 0, 1, 4000 })]
    public void Missing_are_the_cpus_that_a_list_does_not_have(string list, int[] missing) =>
        Assert.Equal(missing, CpuList.Missing([0, 1, 4000], list));

    [Fact]
    public void Impossible_are_cpus_that_this_machine_cannot_have() =>
        Assert.Equal([8191], CpuList.Impossible([0, 8191]));
}
