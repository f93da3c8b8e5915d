using System.Text.Json;
using Mono.Unix.Native;
using Riser.Actors.Backends;
using static Riser.Lab.Specs.RunningBroker;

namespace Riser.Lab.Specs;

/// <summary>Devices for users who have no right to any node, through the broker and without it.</summary>
public sealed class BrokerSpecs : IClassFixture<RunningBroker>
{
    private readonly RunningBroker _broker;
    private readonly string _address;
    private readonly string _vfio;

    public BrokerSpecs(RunningBroker broker)
    {
        _broker = broker;
        _broker.Start();
        _address = Lab.Address("EDU");
        _vfio = $"vfio:{_address}";
    }

    [SkippableFact]
    public void A_user_without_rights_runs_a_vfio_device_that_the_broker_gives_him()
    {
        Delivered(Trusted, _vfio);

        GivenBack();
        _broker.MustMatch($"{_vfio} \\(/dev/vfio/[0-9]+\\) is given to user {Trusted} \\(process [0-9]+\\) by rule trusted");
        _broker.MustMatch($"{_vfio} is back from user {Trusted} \\(process [0-9]+\\): its holder has left");
    }

    [SkippableFact]
    public void A_user_without_rights_runs_a_uio_device_that_the_broker_gives_him()
    {
        using var binding = new UioBinding("EDU");

        Delivered(Trusted, $"uio:{_address}");

        GivenBack();
        _broker.MustMatch($"uio:{_address} \\({binding.Node}\\) is given to user {Trusted} \\(process [0-9]+\\) by rule trusted");
        _broker.MustMatch($"uio:{_address} is back from user {Trusted} \\(process [0-9]+\\): its holder has left");
    }

    [SkippableFact]
    public void A_stranger_is_refused_with_why()
    {
        using var riser = RiserProgram.StartAs(Stranger, "run", "--device", _vfio, "--for", "1s");

        var (status, _, errors) = riser.End();
        Assert.Equal(1, status);
        Assert.Contains($"No rule of the broker lets user {Stranger} have {_vfio}", errors, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void A_group_is_refused_to_one_who_may_not_have_all_of_it()
    {
        using var riser = RiserProgram.StartAs(Halved, "broker", "take-back", $"vfio:{Lab.Address("SHARED_A")}");

        var (status, _, errors) = riser.End();

        Assert.Equal(1, status);
        Assert.Contains($"together with its IOMMU group, and no rule of the broker lets user {Halved} take back", errors, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData("vfio")]
    [InlineData("uio")]
    public void Chown_is_all_that_a_user_needs(string backend)
    {
        using var binding = backend == "uio" ? new UioBinding("EDU") : null;
        string node = binding?.Node ?? $"/dev/vfio/{Path.GetFileName(new FileInfo($"/sys/bus/pci/devices/{_address}/iommu_group").LinkTarget!)}";
        Assert.Equal(0, Syscall.chown(node, Stranger, Stranger)); // to whom the broker would give nothing
        try
        {
            Delivered(Stranger, $"{backend}:{_address}");
        }
        finally
        {
            Assert.Equal(0, Syscall.chown(node, 0, 0));
        }
    }

    [SkippableFact]
    public void A_vfio_holder_who_is_asked_closes_his_device_and_it_is_quiet()
    {
        using var holder = Hold(Trusted, _vfio);

        Assert.Equal("it was asked back", TakeBack(_vfio));

        Assert.Equal(0, Lab.Command(_address) & 4);
        _broker.MustMatch($"{_vfio} is asked back from user {Trusted} \\(process {holder.Process.Id}\\)");
        Assert.False(holder.Process.HasExited); // it lost the device, and nothing else
        using var session = Lab.Backend().Open(Lab.Device("EDU"));
    }

    [SkippableFact]
    public void A_vfio_holder_who_does_not_answer_is_killed_and_the_device_is_quiet()
    {
        using var holder = Hold(Killed, _vfio);
        Syscall.kill(holder.Process.Id, Signum.SIGSTOP);

        Assert.Contains("its holder was killed", TakeBack(_vfio), StringComparison.Ordinal);

        Assert.True(Lab.Until(() => holder.Process.HasExited));
        Assert.Equal(0, Lab.Command(_address) & 4);
        using var session = Lab.Backend().Open(Lab.Device("EDU"));
    }

    [SkippableFact]
    public void A_vfio_holder_whose_lease_ends_is_killed()
    {
        using var holder = Hold(Leased, _vfio);

        Syscall.kill(holder.Process.Id, Signum.SIGSTOP);

        GivenBack();
        Assert.True(Lab.Until(() => holder.Process.HasExited));
        _broker.MustSay("its lease has ended; its holder was killed");
    }

    [SkippableFact]
    public void A_vfio_holder_who_does_not_answer_is_reported_and_may_give_back_later()
    {
        using var holder = Hold(Reported, _vfio);
        Syscall.kill(holder.Process.Id, Signum.SIGSTOP);

        var refused = Refused(() => TakeBack(_vfio));
        Assert.Equal(Errno.EBUSY, refused.Errno);
        Assert.Equal("overdue", Assert.Single(List()).State);
        Assert.False(holder.Process.HasExited);

        Syscall.kill(holder.Process.Id, Signum.SIGCONT);
        GivenBack();
        Assert.Equal(0, Lab.Command(_address) & 4);
        _broker.MustSay($"{_vfio} is not given back by user {Reported}");
    }

    [SkippableFact]
    public void A_uio_device_is_taken_from_a_holder_who_does_not_answer_without_his_end()
    {
        using var binding = new UioBinding("EDU");
        using var holder = Hold(Reported, $"uio:{_address}");
        Syscall.kill(holder.Process.Id, Signum.SIGSTOP);

        Assert.Equal("it was asked back", TakeBack($"uio:{_address}"));

        Assert.Equal(0, Lab.Command(_address) & 4);
        using (var session = Lab.UioBackend().Open(Lab.UioDevice("EDU")))
            Assert.Equal(0x11e81234UL, session.ReadConfig(0, 4)); // and is another's at once
        Assert.False(holder.Process.HasExited);
    }

    [SkippableFact]
    public void A_uio_device_is_taken_at_the_end_of_a_lease()
    {
        using var binding = new UioBinding("EDU");
        using var holder = Hold(Leased, $"uio:{_address}");

        Syscall.kill(holder.Process.Id, Signum.SIGSTOP);

        GivenBack();
        _broker.MustSay($"uio:{_address} is back from user {Leased} (process {holder.Process.Id}): its lease has ended");
        Assert.False(holder.Process.HasExited); // nobody needs its help, and nobody kills it
        using var session = Lab.UioBackend().Open(Lab.UioDevice("EDU"));
    }

    [SkippableFact]
    public void A_holder_takes_his_own_back_by_command_and_sees_it_in_the_list()
    {
        using var holder = Hold(Trusted, _vfio);

        Assert.Contains($"{_vfio}  user {Trusted}  process {holder.Process.Id}  rule trusted  held", Said("broker", "list"), StringComparison.Ordinal);
        Assert.Equal($"{_vfio} is back: it was asked back", Said("broker", "take-back", _vfio));
        Assert.Equal("Nothing is given away.", Said("broker", "list"));
    }

    [SkippableFact]
    public void A_uio_holder_learns_that_his_device_was_taken_and_does_not_ask_again()
    {
        using var binding = new UioBinding("EDU");
        using var holder = Hold(Reported, $"uio:{_address}", "--report", "-");

        TakeBack($"uio:{_address}");
        Assert.Equal(0, Lab.Command(_address) & 4);
        Syscall.kill(holder.Process.Id, Signum.SIGTERM);

        var (status, output, errors) = holder.End();
        Assert.True(status is 0 or 1, $"exit status {status}: {errors}{output}"); // it lives, and says that it has lost its device
        Assert.Contains("RemovalRequested", JsonDocument.Parse(output).RootElement.GetProperty("devices")[0].GetProperty("lastFault").GetString() + errors, StringComparison.Ordinal);
        Assert.Empty(List());
        Assert.Single(_broker.Log.Split('\n'), l => l.Contains($"uio:{_address}", StringComparison.Ordinal) && l.Contains($"given to user {Reported} (process {holder.Process.Id})", StringComparison.Ordinal));
    }

    [SkippableFact]
    public void A_holder_who_is_killed_leaves_a_quiet_device_to_the_next()
    {
        using (var holder = Hold(Reported, _vfio))
            holder.Process.Kill();

        using var next = Hold(Trusted, _vfio);

        Assert.Equal("held", Assert.Single(List()).State);
    }

    [SkippableFact]
    public void A_holder_keeps_his_device_over_a_restart_of_the_broker()
    {
        using var holder = Hold(Trusted, _vfio);

        _broker.Restart();

        Assert.True(Lab.Until(() => List() is [{ State: "held" }], seconds: 120), $"it was not taken up again: {_broker.Log}");
        Assert.NotEqual(0, Lab.Command(_address) & 4);
        Assert.Equal("it was asked back", TakeBack(_vfio));
    }

    private void GivenBack()
    {
        Assert.True(Lab.Until(() => List().Count == 0, seconds: 120), $"it was not given back: {_broker.Log}");
        Assert.Equal(0, Lab.Command(_address) & 4);
    }

    /// <summary>A host that has a device open and its bus mastering on, as a user who has no right to its node.</summary>
    private static RiserProgram Hold(int user, string device, params string[] more)
    {
        string address = DeviceId.Parse(device).Address;
        Assert.True(Lab.Until(() => List().Count == 0, seconds: 120)); // the last one's
        var riser = RiserProgram.StartAs(user, ["run", "--device", device, "--exercise", .. more]);
        if (Lab.Until(() => riser.Process.HasExited || (Lab.Command(address) & 4) != 0, seconds: 300) && !riser.Process.HasExited)
            return riser;
        Syscall.kill(riser.Process.Id, Signum.SIGTERM); // it may still try
        var (status, output, errors) = riser.End();
        throw new Xunit.Sdk.XunitException($"It does not hold {address} (exit status {status}): {errors}{output}");
    }

    private static void Delivered(int user, string id)
    {
        using var riser = RiserProgram.StartAs(user, "run", "--device", id, "--exercise", "--for", "2s", "--report", "-");
        var (status, output, errors) = riser.End();
        Assert.True(status == 0, $"exit status {status}: {errors}{output}");
        var device = JsonDocument.Parse(output).RootElement.GetProperty("devices")[0];
        Assert.Equal(id, device.GetProperty("id").GetString());
        var interrupts = device.GetProperty("interrupts");
        Assert.True(interrupts.GetProperty("triggered").GetInt64() > 0);
        Assert.Equal(interrupts.GetProperty("triggered").GetInt64(), interrupts.GetProperty("delivered").GetInt64());
        var dma = device.GetProperty("dma");
        Assert.True(dma.GetProperty("verifiedBytes").GetInt64() > 0);
        Assert.Equal(0, dma.GetProperty("corruptBytes").GetInt64());
    }

    private static string Said(params string[] arguments)
    {
        using var riser = RiserProgram.StartAs(Trusted, arguments);
        var (status, output, errors) = riser.End();
        Assert.True(status == 0, $"exit status {status}: {errors}{output}");
        return output.Trim();
    }
}
