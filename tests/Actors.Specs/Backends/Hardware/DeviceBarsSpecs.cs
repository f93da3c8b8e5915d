using Riser.Actors.Backends.Hardware;
using Riser.Actors.Backends.Vfio;

namespace Riser.Actors.Specs.Backends.Hardware;

public sealed class DeviceBarsSpecs
{
    [Fact]
    public void Bar_is_mapped_whole_when_vfio_names_no_areas() => Assert.Equal([(0UL, 0x4000UL)], DeviceBars.Mappable(null, 0x4000));

    [Fact]
    public void Bar_smaller_than_a_page_takes_its_page() => Assert.Equal([(0UL, 0x1000UL)], DeviceBars.Mappable(null, 0x80));

    [Fact]
    public void Areas_leave_the_table_of_the_vectors_out() =>
        Assert.Equal([(0UL, 0x2000UL), (0x3000UL, 0x1000UL)], DeviceBars.Mappable([(0, 0x2000), (0x3000, 0x1000)], 0x4000));

    [Fact]
    public void Areas_are_cut_to_whole_pages_of_the_bar() =>
        Assert.Equal([(0x1000UL, 0x1000UL), (0x3000UL, 0x1000UL)], DeviceBars.Mappable([(0x800, 0x2000), (0x3000, ulong.MaxValue), (0x5000, 0x1000), (0x2000, 0x800)], 0x4000));
}
