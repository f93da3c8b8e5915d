using System.Xml.Linq;
using Riser.Benchmarks.Interrupts;
using Riser.Benchmarks.Reporting;

namespace Riser.Benchmarks.Specs;

public sealed class ReportSpecs : IDisposable
{
    private static readonly Machine s_machine = new("a processor", 2, "a kernel", "a runtime", "an Akka", "a compiler", 0.1);

    private readonly string _folder = Directory.CreateTempSubdirectory("riser-report").FullName;

    private static Row[] Rows { get; } =
    [
        new("idle", "the floor", "one core", "C") { Unit = "µs", Measured = new(2, 4, 100), Base = new(2, 4, 100) },
        new("idle", "an actor", "one core", "C") { Unit = "µs", Measured = new(3, 5, 50), Base = new(2, 4, 100), BytesPerEvent = 0 },
        new("idle", "an actor", "free", "C") { Unit = "µs", Measured = new(1, 5, 250), Base = new(2, 4, 100), BytesPerEvent = 0 },
        new("idle", "a poller", "free", "C") { Unit = "µs", Measured = new(4, 5, 300), Base = new(2, 4, 100), BytesPerEvent = 0 },
    ];

    [Fact]
    public void Document_gets_its_table_and_its_charts_and_keeps_what_was_written_by_hand()
    {
        string document = Path.Combine(_folder, "performance.md");
        File.WriteAllText(document, "Before.\n<!-- bench: idle -->\nold\n<!-- end: idle -->\nAfter.\n");

        Document.Rewrite(document, [new IdleBenchmark()], Rows, s_machine);

        string text = File.ReadAllText(document);
        Assert.StartsWith("Before.\n<!-- bench: idle -->\n", text, StringComparison.Ordinal);
        Assert.EndsWith("<!-- end: idle -->\nAfter.\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("old", text);
        Assert.Contains("| an actor | one core | 1.50 | 1.25 | 0.50 | 0 | 3.00 µs | 5.00 µs | 50.0 |", text);
        Assert.Contains("](charts/idle-p50.svg)", text);
        Assert.Contains("](charts/idle-cpu.svg)", text);
        Assert.Equal(["idle-cpu.svg", "idle-p50.svg"], Directory.GetFiles(Path.Combine(_folder, "charts")).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void Chart_shows_each_ratio_and_names_variants_and_regimes()
    {
        Charts.Write(_folder, new IdleBenchmark(), Rows);

        string[] texts = [.. XDocument.Load(Path.Combine(_folder, "idle-p50.svg")).Descendants().Where(e => e.Name.LocalName == "text").Select(e => e.Value.Trim())];
        Assert.Contains("an actor", texts);
        Assert.Contains("one core", texts);
        Assert.Contains("1.50", texts);
        Assert.Contains("0.50", texts);
        Assert.Contains("2.00", texts);
        Assert.DoesNotContain("1.00", texts); // the poller on one core, which nobody has measured
        Assert.DoesNotContain("the floor", texts); // beside itself it is the line at 1
    }

    [Fact]
    public void Document_without_a_place_for_a_benchmark_is_refused()
    {
        string document = Path.Combine(_folder, "performance.md");
        File.WriteAllText(document, "Nothing.\n");

        Assert.Throws<RefusalException>(() => Document.Rewrite(document, [new IdleBenchmark()], Rows, s_machine));
    }

    [Fact]
    public void Document_of_the_checkout_has_a_place_for_every_benchmark()
    {
        string document = File.ReadAllText(Document.Find());

        Assert.All(Suite.All, benchmark =>
        {
            Assert.Contains($"<!-- bench: {benchmark.Name} -->", document);
            Assert.Contains($"<!-- end: {benchmark.Name} -->", document);
        });
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
