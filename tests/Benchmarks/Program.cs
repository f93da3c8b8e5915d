using System.CommandLine;
using Riser.Actors.Interop;
using Riser.Benchmarks;
using Riser.Benchmarks.Lab;
using Riser.Benchmarks.Reporting;
using Spectre.Console;

var filter = new Option<string[]>("--filter") { Description = "Only benchmarks whose name contains this; may be repeated.", AllowMultipleArgumentsPerToken = true };
var json = new Option<FileInfo?>("--json") { Description = "Writes the rows to this file." };
var list = new Option<bool>("--list") { Description = "Names the benchmarks and runs none." };
var quick = new Option<bool>("--quick") { Description = "A tenth of the events, noisy; leaves docs/performance.md alone." };
var part = new Option<int?>(InProcesses.Option) { Hidden = true };
var root = new RootCommand("Measures Riser against loops in C, in one run, and writes the tables of docs/performance.md.") { filter, json, list, quick, part };
root.SetAction(async parsed =>
{
    var chosen = Suite.Matching(parsed.GetValue(filter) ?? []);
    if (chosen.Count == 0)
        return Fail(2, $"No benchmark has such a name; there are {string.Join(", ", Suite.All.Select(b => b.Name))}.");
    if (parsed.GetValue(list))
    {
        foreach (var benchmark in chosen)
            Console.WriteLine($"{benchmark.Name,-12} {benchmark.What}");
        return 0;
    }

    try
    {
        var load = Machine.Load();
        var rows = await Suite.RunAsync(chosen, new(parsed.GetValue(quick), step => Console.Error.WriteLine(step), parsed.GetValue(part)));
        var machine = Machine.Describe(load);
        Tables.Write(AnsiConsole.Console, chosen, rows, machine);
        if (parsed.GetValue(json) is { } file)
            JsonReport.Write(file, rows, machine);
        if (!parsed.GetValue(quick) && parsed.GetValue(part) is null && !LabMachine.IsThis)
            Document.Rewrite(Document.Find(), chosen, rows, machine);
        return 0;
    }
    catch (Exception refusal) when (refusal is RefusalException or NativeException)
    {
        return Fail(1, $"Nothing is reported. {refusal.Message}");
    }
});
return await root.Parse(args).InvokeAsync();

static int Fail(int status, string why)
{
    Console.Error.WriteLine(why);
    return status;
}
