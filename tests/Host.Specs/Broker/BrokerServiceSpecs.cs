using System.Globalization;
using System.Net.Sockets;
using Mono.Unix.Native;
using Riser.Actors.Backends;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Broker.Messages;
using Riser.Actors.Interop;
using Riser.Host.Broker;
using Riser.Host.Specs.Support;

namespace Riser.Host.Specs.Broker;

/// <summary>The broker's process, with real sockets, real descriptors and real credentials.</summary>
public sealed class BrokerServiceSpecs
{
    [Fact]
    public async Task A_device_is_passed_on_and_the_broker_keeps_no_copy()
    {
        await using var machine = await BrokerMachine.StartAsync();

        using var grant = BrokerGrant.Open(machine.Settings, BrokerMachine.Vfio(BrokerMachine.Free), container: true);

        Assert.Equal(machine.Node("1"), Link(Environment.ProcessId, grant.Device));
        Assert.Equal(machine.Node("vfio"), Link(Environment.ProcessId, grant.Container!));
        Assert.True(IsClosedOnExec(grant.Device));
        await machine.Process.SaidAsync(line => line.Contains($"vfio:0000:01:00.0 ({machine.Node("1")}) is given to user {Syscall.geteuid()} (process {Environment.ProcessId}) by rule administrators", StringComparison.Ordinal));
        Assert.DoesNotContain(machine.Node("1"), Links(machine.Process.Id));
        grant.Device.Dispose();
        grant.Container!.Dispose();
    }

    [Fact]
    public async Task A_device_that_is_held_is_refused_and_given_when_it_is_back()
    {
        await using var machine = await BrokerMachine.StartAsync();
        var id = BrokerMachine.Vfio(BrokerMachine.Free);
        using (var first = BrokerGrant.Open(machine.Settings, id))
        {
            Assert.Equal(Errno.EBUSY, Assert.Throws<PciException>(() => BrokerGrant.Open(machine.Settings, id)).Errno);
            first.Device.Dispose();
        }

        using var second = BrokerGrant.Open(machine.Settings, id); // waits for it, if it is still on its way back
        second.Device.Dispose();
    }

    [Fact]
    public async Task A_holder_who_is_asked_closes_and_the_one_who_asked_hears_of_it()
    {
        await using var machine = await BrokerMachine.StartAsync();
        var grant = BrokerGrant.Open(machine.Settings, BrokerMachine.Vfio(BrokerMachine.Free));
        grant.OnWanted(() =>
        {
            grant.Device.Dispose();
            grant.Dispose();
        });

        using var asker = machine.Connect();
        var reply = asker.Ask(new Request { TakeBack = new() { Device = "vfio:0000:01:00.0" } }, []);

        Assert.Equal("it was asked back", reply.TakenBack.How);
        await machine.Process.SaidAsync(line => line.Contains("vfio:0000:01:00.0 is back from user", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_holder_who_is_silent_is_asked_when_his_lease_ends()
    {
        await using var machine = await BrokerMachine.StartAsync("rule.lease = 1s");
        using var holder = machine.Connect();
        List<FileDescriptor> descriptors = [];
        holder.Ask(new Request { Open = new() { Device = "vfio:0000:01:00.0" } }, descriptors);

        var told = holder.Receive([]);

        Assert.Equal("its lease has ended", told.Wanted.Why);
        descriptors.ForEach(d => d.Dispose());
    }

    [Fact]
    public async Task A_lease_is_renewed_as_long_as_its_holder_lives()
    {
        await using var machine = await BrokerMachine.StartAsync("rule.lease = 1s");
        using var renewed = BrokerGrant.Open(machine.Settings, BrokerMachine.Vfio(BrokerMachine.Free));
        using var silent = machine.Connect();
        List<FileDescriptor> descriptors = [];
        silent.Ask(new Request { Open = new() { Device = "vfio:0000:02:00.0" } }, descriptors);

        Assert.Equal("its lease has ended", silent.Receive([]).Wanted.Why); // a lease after both were given

        var grants = silent.Ask(new Request { List = new() }, []).Grants.All;
        Assert.Equal("held", Assert.Single(grants, g => g.Device == "vfio:0000:01:00.0").State);
        descriptors.ForEach(d => d.Dispose());
        renewed.Device.Dispose();
    }

    [Fact]
    public async Task A_holder_keeps_what_it_has_when_the_broker_is_killed_and_started_again()
    {
        await using var machine = await BrokerMachine.StartAsync("rule.lease = 1s");
        using var grant = BrokerGrant.Open(machine.Settings, BrokerMachine.Vfio(BrokerMachine.Free));

        await machine.KillProcessAsync();
        await machine.StartProcessAsync();

        await machine.Process.SaidAsync(line => line.Contains($"is still with user {Syscall.geteuid()} (process {Environment.ProcessId})", StringComparison.Ordinal));
        Assert.Equal(Errno.EBUSY, Assert.Throws<PciException>(() => BrokerGrant.Open(machine.Settings, BrokerMachine.Vfio(BrokerMachine.Free))).Errno);
        grant.Device.Dispose();
    }

    [Fact]
    public async Task One_who_does_not_have_it_open_cannot_resume()
    {
        await using var machine = await BrokerMachine.StartAsync();
        using var liar = machine.Connect();

        var refused = Assert.Throws<PciException>(() => liar.Ask(new Request { Resume = new() { Device = "vfio:0000:01:00.0" } }, []));

        Assert.Equal(Errno.ENODEV, refused.Errno);
        Assert.Contains("does not have", refused.Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("vfio:0000:09:00.0", Errno.ENODEV, "There is no PCI function 0000:09:00.0")]
    [InlineData("vfio:0000:04:00.0", Errno.EINVAL, "0000:04:00.0 is bound to e1000e")]
    [InlineData("uio:0000:01:00.0", Errno.EINVAL, "0000:01:00.0 is bound to vfio-pci")]
    [InlineData("vfio:..........etc", Errno.EINVAL, "is not a PCI address")]
    [InlineData("sim:pony0", Errno.EINVAL, "no devices of the backend 'sim'")]
    [InlineData("uio:0000:05:00.0", Errno.ENODEV, "is not there")]
    public async Task What_cannot_be_given_is_refused_with_why(string device, Errno errno, string why)
    {
        await using var machine = await BrokerMachine.StartAsync();

        var refused = Assert.Throws<PciException>(() => BrokerGrant.Open(machine.Settings, DeviceId.Parse(device)));

        Assert.Equal(errno, refused.Errno);
        Assert.Contains(why, refused.Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_goes_wrong_with_one_request_is_its_answer_and_ends_nothing()
    {
        await using var machine = await BrokerMachine.StartAsync("proc = \"/no/such/proc\"");
        using var connection = machine.Connect();
        File.WriteAllText(machine.BindingsPath, "rubbish");

        var refused = Assert.Throws<PciException>(() => connection.Ask(new Request { Unbind = new() { Address = BrokerMachine.Free } }, []));

        Assert.Equal(Errno.EIO, refused.Errno);
        Assert.Empty(connection.Ask(new Request { List = new() }, []).Grants.All);
    }

    [Fact]
    public async Task A_device_that_stays_open_is_reported_and_looked_at_beside_everything_else()
    {
        await using var machine = await BrokerMachine.StartAsync("proc = \"/no/such/proc\", rule.take-back.within = 0s");
        using var holder = machine.Connect();
        List<FileDescriptor> descriptors = [];
        holder.Ask(new Request { Open = new() { Device = "vfio:0000:01:00.0" } }, descriptors);
        using var asker = machine.Connect();

        Assert.Equal(Errno.EBUSY, Assert.Throws<PciException>(() => asker.Ask(new Request { TakeBack = new() { Device = "vfio:0000:01:00.0" } }, [])).Errno);

        await machine.Process.SaidAsync(line => line.Contains("is not given back by", StringComparison.Ordinal));
        Assert.Equal("overdue", Assert.Single(asker.Ask(new Request { List = new() }, []).Grants.All).State);
        descriptors.ForEach(d => d.Dispose());
    }

    [Fact]
    public async Task Refusals_are_written_down_up_to_a_limit()
    {
        await using var machine = await BrokerMachine.StartAsync();
        using var asker = machine.Connect();
        for (int i = 0; i < RefusalLog.MostOfOne + 30; i++)
            Assert.Throws<PciException>(() => asker.Ask(new Request { Ask = new() { Device = "vfio:0000:09:00.0" } }, []));
        using var grant = BrokerGrant.Open(machine.Settings, BrokerMachine.Vfio(BrokerMachine.Free)); // is always written
        int refused = 0;
        await machine.Process.SaidAsync(line =>
        {
            refused += line.Contains("is refused", StringComparison.Ordinal) ? 1 : 0;
            return line.Contains("is given to", StringComparison.Ordinal);
        });

        Assert.Equal(RefusalLog.MostOfOne, refused);
        grant.Device.Dispose();
    }

    [SkippableFact]
    public async Task A_stranger_is_refused_whatever_he_says_and_one_in_a_rule_is_not()
    {
        Skip.If(Syscall.geteuid() != 0, "Only root can start a process of another user.");
        Skip.IfNot(File.Exists("/usr/bin/setpriv"), "setpriv (util-linux) is not here.");
        await using var machine = await BrokerMachine.StartAsync("""
            rules.one { users = [65533], devices = ["vfio:*"], may = [take-back] }
              rules.two { groups = [65532], devices = ["0000:01:00.0"], may = [take-back] }
            """);
        var stranger = await TakeBackAsAsync(machine, 65534, "--clear-groups");
        stranger.MustBe(1);
        Assert.Contains("No rule of the broker lets user 65534 take back vfio:0000:01:00.0 (EACCES)", stranger.Errors, StringComparison.Ordinal);
        await machine.Process.SaidAsync(line => line.Contains("user 65534", StringComparison.Ordinal) && line.Contains("is refused", StringComparison.Ordinal));

        Assert.Contains("ENOENT", (await TakeBackAsAsync(machine, 65533, "--clear-groups")).Errors, StringComparison.Ordinal); // he may; there is nothing
        Assert.Contains("ENOENT", (await TakeBackAsAsync(machine, 65534, "--groups=65532")).Errors, StringComparison.Ordinal); // by a supplementary group
    }

    [Fact]
    public async Task Rubbish_ends_its_own_connection_and_no_other()
    {
        await using var machine = await BrokerMachine.StartAsync();
        using var witness = machine.Connect();
        var random = new Random(4);
        for (int i = 0; i < 200; i++)
        {
            using var socket = machine.ConnectRaw();
            byte[] rubbish = new byte[random.Next(1, 200)];
            random.NextBytes(rubbish);
            if (i % 2 == 0) // a length that is believed, then no message
                BitConverter.TryWriteBytes(rubbish, random.Next(0, 64));
            socket.Send(rubbish);
            socket.Shutdown(SocketShutdown.Send);
            while (Receive(socket) > 0)
            {
            }
        }

        Assert.Empty(witness.Ask(new Request { List = new() }, []).Grants.All);
    }

    [Fact]
    public async Task A_message_that_is_too_long_is_not_waited_for()
    {
        await using var machine = await BrokerMachine.StartAsync();
        using var socket = machine.ConnectRaw();

        socket.Send(BitConverter.GetBytes(Frame.LongestMessage + 1));

        Assert.Equal(0, Receive(socket));
        await machine.Process.SaidAsync(line => line.Contains("a message of 65537 bytes was announced", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_connection_that_says_nothing_is_closed_and_one_that_holds_is_not()
    {
        await using var machine = await BrokerMachine.StartAsync("connections.idle-timeout = 200ms");
        using var holder = machine.Connect();
        List<FileDescriptor> descriptors = [];
        holder.Ask(new Request { Open = new() { Device = "vfio:0000:01:00.0" } }, descriptors);
        using var silent = machine.ConnectRaw();
        using var halting = machine.ConnectRaw();
        halting.Send([8, 0]);

        Assert.Equal(0, Receive(silent));
        Assert.Equal(0, Receive(halting));
        Assert.Equal(Reply.AnswerOneofCase.Renewed, holder.Ask(new Request { Renew = new() }, []).AnswerCase);
        descriptors.ForEach(d => d.Dispose());
    }

    [Fact]
    public async Task One_who_reads_nothing_is_dropped_and_keeps_nobody_waiting()
    {
        await using var machine = await BrokerMachine.StartAsync();
        using var slow = machine.ConnectRaw();
        byte[] list = Frame.Of(new Request { List = new() });
        byte[] many = [.. Enumerable.Repeat(list, 10_000).SelectMany(f => f)];
        using var witness = machine.Connect();
        var flood = Task.Run(() =>
        {
            try
            {
                while (true)
                    slow.Send(many);
            }
            catch (SocketException)
            {
                // dropped
            }
        });

        for (int i = 0; i < 20; i++)
            Assert.NotNull(witness.Ask(new Request { List = new() }, []).Grants);

        await flood;
        await machine.Process.SaidAsync(line => line.Contains("does not take what it is sent", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_user_has_so_many_connections_and_no_more()
    {
        await using var machine = await BrokerMachine.StartAsync("connections.most-per-user = 3");
        using var first = machine.Connect();
        using var second = machine.Connect();
        using var third = machine.Connect();
        third.Ask(new Request { List = new() }, []); // all three are there
        using var fourth = machine.Connect();

        Assert.Equal(Errno.EUSERS, Assert.Throws<PciException>(() => fourth.Ask(new Request { List = new() }, [])).Errno);
    }

    [Fact]
    public async Task Descriptors_do_not_leak_whatever_clients_do()
    {
        await using var machine = await BrokerMachine.StartAsync();
        using var witness = machine.Connect();
        witness.Ask(new Request { List = new() }, []);
        Storm(machine, 5); // what is made once is made
        await QuietAsync(machine, witness);
        int before = machine.Descriptors();

        Storm(machine, 60);

        await QuietAsync(machine, witness);
        Assert.Equal(before, machine.Descriptors());
    }

    [Fact]
    public async Task Descriptors_sent_to_the_broker_are_closed()
    {
        await using var machine = await BrokerMachine.StartAsync();
        using var witness = machine.Connect();
        witness.Ask(new Request { List = new() }, []);
        await QuietAsync(machine, witness);
        int before = machine.Descriptors();
        using var socket = machine.ConnectRaw();
        using var gift = new FileDescriptor(Syscall.open("/dev/null", OpenFlags.O_RDONLY | OpenFlags.O_CLOEXEC));

        SocketRights.Send(socket.SafeHandle, Frame.Of(new Request { List = new() }), [gift, gift, gift]);

        Assert.True(Receive(socket) > 0);
        Assert.Equal(before + 2, machine.Descriptors()); // the connection, and the process at its other end
    }

    [Fact]
    public async Task A_second_broker_is_refused_and_a_dead_ones_socket_is_taken_over()
    {
        await using var machine = await BrokerMachine.StartAsync();
        var second = await RiserProcess.RunAsync("broker", "--config", machine.ConfigPath);
        second.MustBe(1);
        Assert.Contains("Another broker listens at", second.Errors, StringComparison.Ordinal);

        await machine.KillProcessAsync();
        Assert.True(File.Exists(machine.Socket));
        await machine.StartProcessAsync();
        using var connection = machine.Connect();
        connection.Ask(new Request { List = new() }, []);

        Syscall.kill(machine.Process.Id, Signum.SIGTERM);
        (await machine.Process.EndAsync()).MustBe(0);
        Assert.False(File.Exists(machine.Socket));
    }

    [Fact]
    public async Task Commands_say_what_they_did()
    {
        await using var machine = await BrokerMachine.StartAsync();
        var none = await RiserProcess.RunAsync("broker", "list", "--socket", machine.Socket);
        none.MustBe(0);
        Assert.Equal("Nothing is given away.", none.Output.Trim());
        using var grant = BrokerGrant.Open(machine.Settings, BrokerMachine.Vfio(BrokerMachine.Pair));

        var one = await RiserProcess.RunAsync("broker", "list", "--socket", machine.Socket);

        Assert.Matches($"^vfio:0000:03:00.0  user {Syscall.geteuid()}  process {Environment.ProcessId}  rule administrators  held", one.Output);
        grant.Device.Dispose();
    }

    [Fact]
    public async Task Commands_say_that_there_is_no_broker()
    {
        var result = await RiserProcess.RunAsync("broker", "list", "--socket", "/no/such.sock");

        result.MustBe(1);
        Assert.Contains("The broker cannot be asked at /no/such.sock (ENOENT). Start it as root: riser broker", result.Errors, StringComparison.Ordinal);
    }

    private static Task<RiserProcess.Result> TakeBackAsAsync(BrokerMachine machine, int user, string groups) => RiserProcess.RunAsAsync(
        ["setpriv", $"--reuid={user}", $"--regid={user}", groups, "--inh-caps=-all"], "broker", "take-back", "vfio:0000:01:00.0", "--socket", machine.Socket);

    // Every way to end a conversation that the broker has to survive.
    private static void Storm(BrokerMachine machine, int rounds)
    {
        for (int i = 0; i < rounds; i++)
        {
            List<FileDescriptor> descriptors = [];
            using var half = machine.ConnectRaw();
            half.Send(Frame.Of(new Request { Open = new() { Device = "vfio:0000:01:00.0", Container = true } }));
            half.Shutdown(SocketShutdown.Send);
            byte[] bytes = new byte[64];
            while (SocketRights.Receive(half.SafeHandle, bytes, descriptors) > 0)
            {
            }
            descriptors.ForEach(d => d.Dispose());
            using (var gone = machine.ConnectRaw()) // before it is answered
                gone.Send(Frame.Of(new Request { Open = new() { Device = "vfio:0000:02:00.0" } }));
            using (var middle = machine.ConnectRaw())
                middle.Send([200, 0, 0, 0, 1, 2, 3]);
        }
    }

    // Everything that was begun has ended when nothing is given and only the witness is connected.
    private static async Task QuietAsync(BrokerMachine machine, BrokerConnection witness)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        int last = -1, same = 0;
        while (same < 5)
        {
            int now = machine.Descriptors();
            same = now == last && witness.Ask(new Request { List = new() }, []).Grants.All.Count == 0 ? same + 1 : 0;
            last = now;
            await Task.Delay(50, limit.Token); // another process's descriptors give no signal
        }
    }

    private static int Receive(Socket socket)
    {
        try
        {
            return socket.Receive(new byte[4096]);
        }
        catch (SocketException reset) when (reset.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted)
        {
            return 0;
        }
    }

    private static bool IsClosedOnExec(FileDescriptor descriptor) =>
        File.ReadLines($"/proc/self/fdinfo/{descriptor.Number.ToString(CultureInfo.InvariantCulture)}").First(l => l.StartsWith("flags:", StringComparison.Ordinal)).Trim() is var flags
        && (Convert.ToInt32(flags.Split('\t')[^1], 8) & 0x80000) != 0;

    private static string? Link(int process, FileDescriptor descriptor) => new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/fd/{descriptor.Number}")).LinkTarget;

    private static IEnumerable<string?> Links(int process) =>
        Directory.EnumerateFileSystemEntries(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/fd")).Select(e => new FileInfo(e).LinkTarget).ToList();
}
