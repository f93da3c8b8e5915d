using System.CommandLine;
using Microsoft.Extensions.Logging;
using Riser.Actors;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Broker.Messages;
using Riser.Host.Broker;
using Riser.Host.Service;

namespace Riser.Host.Commands;

/// <summary><c>riser broker</c>: gives devices to those whom a policy lets have them, and the commands that ask it for something.</summary>
internal static class BrokerCommand
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5); // a driver takes its time over a device, and so may a holder

    public static Command Create()
    {
        Option<FileInfo?> config = new("--config")
        {
            Description = "A HOCON file; what it leaves out is as in broker.conf. Default: a policy that gives nothing to anybody but root.",
            HelpName = "FILE",
        };
        Option<string> socket = new("--socket")
        {
            Description = "Where the broker listens.",
            HelpName = "PATH",
            Recursive = true,
            DefaultValueFactory = _ => DeviceRuntime.DefaultConfig.GetString("riser.broker.socket"),
        };
        var command = new Command("broker", "Gives devices to users whom a policy lets have them; root starts it.") { config };
        command.SetAction((parsed, end) => ServeAsync(parsed.GetValue(config), end));

        Option<bool> wholeGroup = new("--whole-group") { Description = "And every other function of its IOMMU group that stands in the way." };
        Option<string> driver = new("--driver") { Description = "vfio-pci or uio_pci_user.", HelpName = "NAME", DefaultValueFactory = _ => "vfio-pci" };
        command.Add(Asking("list", "Lists what is given away.", socket, argument: null, [], (_, _) => new Request { List = new() }));
        command.Add(Asking("take-back", "Takes a device back from whoever holds it.", socket, Device(), [], (device, _) => new Request { TakeBack = new() { Device = device } }));
        command.Add(Asking("bind", "Gives a function to another driver; refuses what is in use.", socket, Address(), [driver, wholeGroup], (address, parsed) =>
            new Request { Bind = new() { Address = address, Driver = parsed.GetValue(driver), WholeGroup = parsed.GetValue(wholeGroup) } }));
        command.Add(Asking("unbind", "Undoes bind: gives a function back to the driver that it had.", socket, Address(), [wholeGroup], (address, parsed) =>
            new Request { Unbind = new() { Address = address, WholeGroup = parsed.GetValue(wholeGroup) } }));
        return command;
    }

    private static async Task<int> ServeAsync(FileInfo? file, CancellationToken end)
    {
        var config = HostConfig.ReadBroker(file);
        using var logging = LoggerFactory.Create(Configure);
        using var broker = new BrokerService(config, logging.CreateLogger("riser.broker"), TimeProvider.System);
        await broker.RunAsync(end);
        return ExitStatus.Success;
    }

    // The journal knows levels by a number before the line.
    private static void Configure(ILoggingBuilder logging)
    {
        if (Environment.GetEnvironmentVariable("JOURNAL_STREAM") is not null)
            logging.AddSystemdConsole();
        else
            logging.AddSimpleConsole(console => (console.SingleLine, console.TimestampFormat) = (true, "HH:mm:ss.fff "));
        logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
    }

    private static Command Asking(string name, string description, Option<string> socket, Argument<string>? argument, IReadOnlyList<Option> options, Func<string, ParseResult, Request> request)
    {
        var command = new Command(name, description) { socket };
        if (argument is not null)
            command.Add(argument);
        foreach (var option in options)
            command.Add(option);
        command.SetAction(async (parsed, _) =>
        {
            using var connection = BrokerConnection.Open(new(parsed.GetValue(socket)!, s_patience));
            foreach (string line in Lines(Whole(connection, connection.Ask(request(argument is null ? string.Empty : parsed.GetValue(argument)!, parsed), []))))
                await Console.Out.WriteLineAsync(line);
            return ExitStatus.Success;
        });
        return command;
    }

    // A list that is too long for one message comes in several.
    private static Reply Whole(BrokerConnection connection, Reply reply)
    {
        while (reply is { AnswerCase: Reply.AnswerOneofCase.Grants, Grants.Next.Length: > 0 })
        {
            var more = connection.Ask(new Request { List = new() { After = reply.Grants.Next } }, []);
            reply.Grants.All.Add(more.Grants.All);
            reply.Grants.Next = more.Grants.Next;
        }
        return reply;
    }

    private static IEnumerable<string> Lines(Reply reply) => reply.AnswerCase switch
    {
        Reply.AnswerOneofCase.TakenBack => [$"{reply.TakenBack.Device} is back: {reply.TakenBack.How}"],
        Reply.AnswerOneofCase.Bound => reply.Bound.Done,
        Reply.AnswerOneofCase.Grants => Table(reply.Grants),
        _ => [reply.ToString()],
    };

    private static IEnumerable<string> Table(Grants grants) => grants.All.Count == 0
        ? ["Nothing is given away."]
        : grants.All.Select(g => $"{g.Device}  user {g.User}  process {g.Process}  rule {g.Rule}  {g.State}  {TimeSpan.FromMilliseconds(g.LeaseMilliseconds).TotalSeconds:0} s left");

    private static Argument<string> Device() => new("device") { Description = "A device, e.g. vfio:0000:00:10.0 or uio:0000:00:10.0." };

    private static Argument<string> Address() => new("address") { Description = "A function, e.g. 0000:00:10.0." };
}
