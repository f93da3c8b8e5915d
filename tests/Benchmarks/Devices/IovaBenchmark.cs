using Riser.Benchmarks.Micro;

namespace Riser.Benchmarks.Devices;

/// <summary>The books of IOVAs alone: the allocator of a group and the page table of the simulated IOMMU.</summary>
internal sealed class IovaBenchmark : IBenchmark
{
    public string Name => "iova";

    public string What => "one page: released and taken again in the allocator, found and replaced in the page table";

    public Task<IReadOnlyList<Row>> RunAsync(Scope scope)
    {
        scope.Progress(Name);
        var measured = MicroSuite.Run<AddressBooks>(scope);
        List<Row> rows = [];
        foreach (int taken in (int[])[1_000, 100_000])
        {
            rows.Add(Row("allocator: release one, allocate the lowest", nameof(AddressBooks.ReleaseAndAllocate), taken));
            rows.Add(Row("allocator: release one, reserve it", nameof(AddressBooks.ReleaseAndReserve), taken));
            rows.Add(Row("page table: find one", nameof(AddressBooks.Find), taken));
            rows.Add(Row("page table: remove one, insert it", nameof(AddressBooks.RemoveAndInsert), taken));
        }

        return Task.FromResult<IReadOnlyList<Row>>(rows);

        Row Row(string variant, string method, int taken)
        {
            var (nanoseconds, bytes) = measured[$"{method} {taken}"];
            return new(Name, variant, $"{taken} taken", Floor: null) { Unit = "ns", Measured = new(nanoseconds), BytesPerEvent = bytes };
        }
    }
}
