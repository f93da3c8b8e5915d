using System.Diagnostics;
using Akka.Actor;
using Riser.Actors.Backends.Simulation;
using Riser.Actors.Devices;
using Riser.Host.Exercise;
using Riser.Host.Reporting;

namespace Riser.Host.Service;

/// <summary>One run: opens the devices, shows what happens until it is over, stops the load, and sums up.</summary>
internal sealed class Run(Node node, RunOptions options, IDisplay display)
{
    private static readonly TimeSpan s_answer = TimeSpan.FromMinutes(1); // of an actor that never blocks, on a machine that may be busy

    private static readonly TimeSpan s_opening = TimeSpan.FromMinutes(2); // more than any backoff within the default budget

    private readonly Stopwatch _clock = new();

    /// <exception cref="RunFailedException">A device cannot be opened.</exception>
    /// <exception cref="UsageException">A device is unknown.</exception>
    public async Task<RunResult> ExecuteAsync(CancellationToken cancellation)
    {
        var chosen = await node.ChooseAsync(options.Devices, cancellation);
        if (chosen.FirstOrDefault(d => d.Device.Obstacle is not null) is { } blocked)
            throw new RunFailedException($"{blocked.Device.Id} cannot be opened: {blocked.Device.Obstacle}");

        List<Subject> subjects = [.. chosen.Select(Start)];
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        over.CancelAfter(s_opening);
        var begun = BeginAllAsync(subjects, over);
        await display.ShowAsync(() => LookAsync(subjects), begun, over.Token);
        string?[] failures = await begun;
        if (Array.Find(failures, f => f is not null) is { } failure)
            throw new RunFailedException(failure);

        await Task.WhenAll(subjects.Select(s => s.Exerciser.Ask<ExerciseProtocol.Stopped>(new ExerciseProtocol.Stop(), s_answer)));
        _clock.Stop();
        var end = await LookAsync(subjects);
        await display.EndAsync(end);
        return RunResult.Of(end);
    }

    private Subject Start(NodeProtocol.DeviceFound found)
    {
        var exercises = Exercises.For(found.Device, options.Exercise);
        Func<long>? truth = found.Device.Id.Backend == "sim"
            ? Truth(node.Runtime.Backend<SimulationBackend>().Device(found.Device.Id.Address))
            : null;
        var exerciser = node.System.ActorOf(ExerciserActor.Props(found.Actor, found.Device.Id, exercises, truth), $"exerciser-{found.Actor.Path.Name}");
        return new(found.Actor, exerciser);
    }

    private static Func<long> Truth(SimulatedDevice device) => () => device.TriggeredTotal;

    // The time of a run counts from when all devices run.
    private async Task<string?[]> BeginAllAsync(IReadOnlyList<Subject> subjects, CancellationTokenSource over)
    {
        string?[] failures = await Task.WhenAll(subjects.Select(s => BeginAsync(s, over.Token)));
        _clock.Start();
        if (!over.IsCancellationRequested)
            over.CancelAfter(options.For ?? Timeout.InfiniteTimeSpan);
        return failures;
    }

    /// <returns>Why the device cannot be exercised; null when it can, or when the run was over before it was known.</returns>
    private static async Task<string?> BeginAsync(Subject subject, CancellationToken over)
    {
        try
        {
            object answer = await subject.Exerciser.Ask<object>(new ExerciseProtocol.Begin(), Timeout.InfiniteTimeSpan, over);
            return (answer as ExerciseProtocol.Failed)?.Why;
        }
        catch (Exception ended) when (over.IsCancellationRequested && ended is OperationCanceledException or AskTimeoutException)
        {
            return null;
        }
    }

    private async Task<Snapshot> LookAsync(IReadOnlyList<Subject> subjects)
    {
        var devices = await Task.WhenAll(subjects.Select(async subject =>
        {
            var device = subject.Device.Ask<DeviceProtocol.Description>(new DeviceProtocol.Describe(), s_answer);
            var tally = subject.Exerciser.Ask<ExerciseProtocol.Tally>(new ExerciseProtocol.Describe(), s_answer);
            return new DeviceSnapshot(await device, await tally);
        }));
        return new(_clock.Elapsed, devices);
    }

    private sealed record Subject(IActorRef Device, IActorRef Exerciser);
}
